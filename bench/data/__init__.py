"""Preference data: is the noise found, does cleaning pay, how fast is it at a million pairs? `make bench-data`.

__main__.py       asks the questions and writes var/bench/data.json
planted.py        near duplicates, contradictions, cycles, leaks, length bias: all found, and nothing else
noise.py          the flip rate and the flipped pairs
coverage.py       the topic that the data misses
reporting.py      a whole report on 100,000 and on 1,000,000 pairs: seconds and memory
importing.py      a million pairs from JSON Lines, beside datasets and pandas
browsing.py       pages of a version of a million pairs
cleaning_pays.py  DPO, constrained CPO and RLHF on dirty and on cleaned pairs, by true reward
"""
