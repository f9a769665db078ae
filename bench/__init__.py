"""Benchmarks: one file per question, each printing a table and writing the JSON form of bench/report.py."""
