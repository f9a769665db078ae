"""Pages about rating."""

from django.urls import URLPattern

urls: list[URLPattern] = []
