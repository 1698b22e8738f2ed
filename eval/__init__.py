"""Predictions in; scores, figures and the report out."""
