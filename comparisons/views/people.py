"""Pages about annotators and their pools, for researchers and administrators."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import people as managed
from comparisons.forms.people import InvitationForm, PoolForm
from comparisons.models import RaterPool

PER_PAGE = 50
WELCOME = "welcome"  # key of the session: whose link is shown next, once


@researcher_required
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """All annotators, with a search."""
    asked = request.GET.get("q", "").strip()
    found = managed.annotators().prefetch_related("pools")
    found = found.filter(username__icontains=asked) if asked else found
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    return _page(request, "list", page=page, asked=asked, tab="people")


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def person_new(request: HttpRequest) -> HttpResponseBase:
    """Invite an annotator; the link that lets them in is shown on the next page, once."""
    form = InvitationForm(request.POST or None, initial={"pools": _pools_asked_for(request)})
    if request.method == "POST" and form.is_valid():
        invited = form.save(user_of(request))
        request.session[WELCOME] = invited.pk
        return redirect("person", pk=invited.pk)
    return _page(request, "invite", form=form)


def _pools_asked_for(request: HttpRequest) -> list[RaterPool]:
    """The pools that ?pool= names, ticked beforehand."""
    return list(RaterPool.objects.filter(slug__in=request.GET.getlist("pool")))


@never_cache
@researcher_required
@require_safe
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """One annotator; with their link, if it was asked for just now."""
    found = get_object_or_404(managed.annotators().prefetch_related("pools"), pk=pk)
    link = ""
    if request.session.get(WELCOME) == pk:
        del request.session[WELCOME]
        link = request.build_absolute_uri(managed.welcome_path(found))
    return _page(request, "person", person=found, link=link)


@researcher_required
@require_POST
def person_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a new link, for somebody who forgot the password; the password and earlier links end."""
    managed.reset_access(get_object_or_404(managed.annotators(), pk=pk), user_of(request))
    request.session[WELCOME] = pk
    return redirect("person", pk=pk)


@researcher_required
@require_POST
def person_active(request: HttpRequest, pk: int) -> HttpResponse:
    """Send an annotator away, or let them in again."""
    found = get_object_or_404(managed.annotators(), pk=pk)
    active = "activate" in request.POST
    managed.set_active(found, active, user_of(request))
    state = "can log in again" if active else "can no longer log in; what they held went back"
    messages.success(request, f"{found.username} {state}.")
    return redirect("person", pk=pk)


@researcher_required
@require_safe
def pools(request: HttpRequest) -> HttpResponse:
    """All pools with their sizes and uses."""
    sizes = {"size": Count("members", distinct=True), "uses": Count("studies", distinct=True)}
    return _page(request, "pools", pools=RaterPool.objects.annotate(**sizes), tab="pools")


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def pool_edit(request: HttpRequest, slug: str | None = None) -> HttpResponseBase:
    """Make or change a pool."""
    found = get_object_or_404(RaterPool, slug=slug) if slug else None
    form = PoolForm(found, request.POST or None)
    if request.method == "POST" and form.is_valid():
        saved = form.save(user_of(request))
        messages.success(request, f"{saved.name} is saved.")
        return redirect("pools")
    return _page(request, "pool", form=form, pool=found, studies=found.studies.all() if found else [])


def _page(request: HttpRequest, name: str, **context: Any) -> HttpResponse:
    status = 422 if "form" in context and context["form"].errors else 200
    return render(request, f"comparisons/people/{name}.html", context | {"section": "people"}, status=status)


urls = [
    path("people/", people, name="people"),
    path("people/new/", person_new, name="person-new"),
    path("people/pools/", pools, name="pools"),
    path("people/pools/new/", pool_edit, name="pool-new"),
    path("people/pools/<slug:slug>/", pool_edit, name="pool"),
    path("people/<int:pk>/", person, name="person"),
    path("people/<int:pk>/link/", person_link, name="person-link"),
    path("people/<int:pk>/active/", person_active, name="person-active"),
]
