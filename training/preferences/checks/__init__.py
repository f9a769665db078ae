"""Checks of a sealed version: one function per rule, each adding to one collector.

findings.py   what a rule finds, and the collector
rules.py      all rules in order, and the version of them
the others    the rules; what several need has a module of its own (shingles, markup, judgements, overlaps)
"""
