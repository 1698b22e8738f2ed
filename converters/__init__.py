"""Anything in, dialogues out; dialogues in, Alpaca rows out. One module per source format."""
