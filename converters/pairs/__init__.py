"""Preference pairs from coded dialogues: a reply that MITI counts against, and a better one.

transcripts + codes -> find -> a rewrite or a candidate -> coded -> better? -> rows
"""
