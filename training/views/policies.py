"""Pages about policies."""

from django.urls import URLPattern

urls: list[URLPattern] = []
