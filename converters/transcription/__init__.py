"""Rewriting counselling as motivational interviewing by a language model."""
