"""The report: one self-contained page, base against tuned."""
