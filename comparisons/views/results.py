"""Pages about results."""

from django.urls import URLPattern

urls: list[URLPattern] = []
