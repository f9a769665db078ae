"""Template filters for quantities; the functions themselves are in training/quantities.py."""

from __future__ import annotations

from django import template

from training import quantities
from training.runs import curves

register = template.Library()

for function in (
    quantities.duration,
    quantities.about,
    quantities.compact,
    quantities.gib,
    quantities.measured,
    quantities.percent,
    quantities.fine_percent,
):
    register.filter(function.__name__, function)

register.filter("metric_words", curves.words_of)
