"""Repeatable measurements; python dev.py bench."""
