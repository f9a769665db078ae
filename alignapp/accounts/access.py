"""Who may open which page; every view is behind log-in by LoginRequiredMiddleware."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from .models import User

View = Callable[..., HttpResponseBase]


def user_of(request: HttpRequest) -> User:
    """Return the logged-in person; LoginRequiredMiddleware has turned everybody else away."""
    return cast(User, request.user)


def researcher_required(view: View) -> View:
    """Let only researchers and admins in; annotators get 403, which tells nothing of what is there."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not user_of(request).is_researcher:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded
