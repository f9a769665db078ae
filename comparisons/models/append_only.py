"""Rows that are only ever added: audit entries, judgements, decisions, stored answers."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from django.db import models

Row = TypeVar("Row", bound=models.Model, covariant=True)


class AppendOnly(TypeError):
    """Somebody tried to change what may only be added to."""

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(f"{str(model._meta.verbose_name_plural).capitalize()} are never changed or deleted.")


class AppendOnlyQuerySet(models.QuerySet[Row]):
    """Reads and additions; changes are refused. What hangs on a row that is deleted still goes with it (CASCADE)."""

    def update(self, **values: Any) -> NoReturn:
        raise AppendOnly(self.model)

    def delete(self) -> NoReturn:
        raise AppendOnly(self.model)


class AppendOnlyModel(models.Model):
    """A row that is stored once; the manager of a subclass is made of an AppendOnlyQuerySet."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new row; raises AppendOnly for one that is there."""
        if not self._state.adding:
            raise AppendOnly(type(self))
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise AppendOnly(type(self))
