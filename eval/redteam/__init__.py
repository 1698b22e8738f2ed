"""Prompts that a counselor model must not be led astray by, put to the gate and to models."""
