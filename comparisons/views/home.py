"""Pages about home."""

from django.urls import URLPattern

urls: list[URLPattern] = []
