"""Files and answers as nobody should write them: made from whole samples, tried, and the outcomes counted.

`mutator.py` spoils a sample, `kinds*.py` say what is tried with it, `attempts.py` tries in a process with
limits, and `campaign.py` starts that process again where a case kills it. `python -m devtools.fuzzing png
--only 17` is one case.
"""
