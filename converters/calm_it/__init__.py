"""Long MI dialogues written by two minds that are tracked apart, and what they are compared with.

After CALM-IT (arXiv 2601.10085), of which the abstracts are known and no code is public. How it is
built here is ours; `docs/calm_it.md` keeps the two apart.
"""
