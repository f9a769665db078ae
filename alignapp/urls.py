"""Every page of alignapp; all but log-in and health need an account (LoginRequiredMiddleware)."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import include, path

from alignapp.accounts.password import PasswordView
from alignapp.accounts.welcome import WelcomeView
from alignapp.health import healthy
from alignapp.styleguide import styleguide

urlpatterns = [
    path("login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path("welcome/<uidb64>/<token>/", WelcomeView.as_view(), name="welcome"),
    path("account/password/", PasswordView.as_view(), name="password"),
    path("health/", healthy, name="health"),
    path("admin/", admin.site.urls),
    path("", include("comparisons.urls")),
    path("", include("training.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("styleguide/", styleguide, name="styleguide"))
