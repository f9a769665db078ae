"""The page behind an invitation's link: choose a password, once, and be logged in."""

from __future__ import annotations

from django.contrib.auth.views import PasswordResetConfirmView
from django.urls import reverse_lazy

from .models import User


class WelcomeView(PasswordResetConfirmView):
    """Django's page for a reset link. Its token moves from the address into the session before anything is shown."""

    template_name = "registration/welcome.html"
    success_url = reverse_lazy("home")
    post_reset_login = True

    def get_user(self, uidb64: str) -> User | None:
        """Whose link it is; nobody's once the account is deactivated."""
        user = super().get_user(uidb64)
        return user if isinstance(user, User) and user.is_active else None
