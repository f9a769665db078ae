"""Groups of raters, so that a study can ask some of them and results can compare them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.urls import reverse


class RaterPool(models.Model):
    """People with something in common, such as expertise or language."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120, unique=True)
    description = models.TextField(blank=True)
    attributes = models.JSONField(default=dict, help_text='What they share: {"language": "German", "expertise": …}.')
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="pools", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("pool", args=[self.slug])
