"""Simulated clients interview counselor models, at scale and from a seed."""
