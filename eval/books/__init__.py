"""Blind MITI coding books: out, and read back."""
