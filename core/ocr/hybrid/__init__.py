"""Lines found by the built-in engine, read by a vision-language model: places from one, letters from the
other.
"""
