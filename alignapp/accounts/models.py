"""The custom user model: a person with one role."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractUser
from django.db import models


class Role(models.TextChoices):
    """What a person may do; admins may do everything a researcher may."""

    ADMIN = "admin", "Admin"
    RESEARCHER = "researcher", "Researcher"
    ANNOTATOR = "annotator", "Annotator"


class User(AbstractUser):
    """A person who logs in, as admin, researcher or annotator."""

    role = models.CharField(max_length=16, choices=Role.choices, default=Role.ANNOTATOR)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Open Django's admin to the role admin and to nobody else; `createsuperuser` makes an admin."""
        if self._state.adding and self.is_superuser:
            self.role = Role.ADMIN
        self.is_staff = self.is_superuser = self.role == Role.ADMIN
        super().save(*args, **kwargs)

    @property
    def is_researcher(self) -> bool:
        """Whether datasets, runs, policies and results are open to this person."""
        return self.role in {Role.RESEARCHER, Role.ADMIN}

    @property
    def is_annotator(self) -> bool:
        """Whether this person only rates."""
        return not self.is_researcher
