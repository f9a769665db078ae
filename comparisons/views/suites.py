"""Pages about suites."""

from django.urls import URLPattern

urls: list[URLPattern] = []
