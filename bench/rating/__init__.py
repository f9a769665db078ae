"""Measurements of blind rating: raters at once, blindness, agreement, strengths."""
