"""Scoring corpora by a language model, and ranking them."""
