"""Pages about runs."""

from django.urls import URLPattern

urls: list[URLPattern] = []
