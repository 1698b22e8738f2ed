"""Readers: one module a corpus format; `formats.py` lists them."""
