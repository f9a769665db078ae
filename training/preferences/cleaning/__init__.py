"""Cleaning: recipes of steps, what they would change, and new versions made by them. Nothing is edited in place."""
