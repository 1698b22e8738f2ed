"""MITI codes by a language model, whose rules are counted here and not there."""
