"""What surrounds a run of LLaMA-Factory: before it, after it, on this machine."""
