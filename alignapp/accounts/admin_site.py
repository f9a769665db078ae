"""Django's admin: administrators get in, everybody else who is logged in gets the usual 403 page."""

from __future__ import annotations

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


class Admin(AdminSite):
    """Refuses in the product's words, where Django would ask somebody who is logged in to log in."""

    def has_permission(self, request: HttpRequest) -> bool:
        allowed = super().has_permission(request)
        if request.user.is_authenticated and not allowed:
            raise PermissionDenied("It is for administrators.")
        return allowed


class AccountsAdminConfig(AdminConfig):
    """Makes that the site on which the apps register their models."""

    default_site = "alignapp.accounts.admin_site.Admin"
