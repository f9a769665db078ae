"""Pages about studies."""

from django.urls import URLPattern

urls: list[URLPattern] = []
