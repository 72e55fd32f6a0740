"""Two who read a page together: the built-in engine finds lines and a vision-language model reads them, or a
layout net finds blocks and the model reads each by its kind.
"""
