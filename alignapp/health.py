"""The page that a load balancer or a supervisor asks whether the web process works."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.http import HttpRequest, JsonResponse


@login_not_required
def healthy(request: HttpRequest) -> JsonResponse:
    """Answer 200 when the database answers; the body says nothing about what it holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse({"status": "ok"})
