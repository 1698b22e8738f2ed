"""Transcripts of one form, from wherever."""
