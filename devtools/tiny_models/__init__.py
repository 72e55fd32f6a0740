"""Checkpoints of the real classes with tiny weights."""
