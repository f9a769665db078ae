"""Pages that ask for prompts: made and followed by researchers, written into by everybody."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alignapp.accounts.access import researcher_required, user_of
from comparisons import collecting
from comparisons.forms.collections import CollectionForm, WrittenPromptForm
from comparisons.models import CollectedPrompt, CollectionState, PromptCollection
from comparisons.suites import UnusableSuite

PER_PAGE = 50


@researcher_required
@require_safe
def collections(request: HttpRequest) -> HttpResponse:
    """All collections with how far each is."""
    page = Paginator(collecting.standing().select_related("suite"), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "comparisons/collections/list.html", {"page": page, "section": "studies"})


@researcher_required
@require_http_methods(["GET", "HEAD", "POST"])
def collection_new(request: HttpRequest) -> HttpResponse:
    """Ask for prompts on any topic."""
    form = CollectionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return redirect(collecting.open_collection(**form.cleaned_data, user=user_of(request)))
    context = {"form": form, "section": "studies"}
    return render(request, "comparisons/collections/new.html", context, status=422 if form.errors else 200)


@researcher_required
@require_safe
def collection(request: HttpRequest, slug: str) -> HttpResponse:
    """What was written so far, and by whom."""
    found = get_object_or_404(collecting.standing().select_related("suite", "fills__dataset"), slug=slug)
    written = found.prompts.filter(withdrawn=False).select_related("written_by").order_by("-id")
    context = {
        "collection": found,
        "page": Paginator(written, PER_PAGE).get_page(request.GET.get("page")),
        "section": "studies",
    }
    return render(request, "comparisons/collections/collection.html", context)


@researcher_required
@require_POST
def collection_close(request: HttpRequest, slug: str) -> HttpResponseBase:
    """End it; what was written becomes a suite."""
    found = get_object_or_404(PromptCollection, slug=slug)
    try:
        return redirect(collecting.close(found, user_of(request)))
    except UnusableSuite:
        messages.warning(request, "Nobody has written a prompt yet, so there is nothing to make a suite of.")
        return redirect(found)


@researcher_required
@require_POST
def prompt_withdraw(request: HttpRequest, slug: str, prompt: int) -> HttpResponseBase:
    """Take one prompt out."""
    found = get_object_or_404(CollectedPrompt, pk=prompt, collection__slug=slug, collection__state=CollectionState.OPEN)
    collecting.withdraw(found)
    return redirect(found.collection)


@require_http_methods(["GET", "HEAD", "POST"])
def write_prompt(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Write a prompt, then the next one."""
    found = get_object_or_404(collecting.standing(), slug=slug)
    user = user_of(request)
    if found.state == CollectionState.CLOSED:
        messages.info(request, "This collection is closed. Thank you for what you wrote.")
        return redirect("rate")
    form = WrittenPromptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            collecting.contribute(found, form.cleaned_data["text"], user)
        except collecting.PromptRefused as refusal:
            form.add_error("text", str(refusal))
        else:
            messages.success(request, "Kept. Write the next one, or stop here.")
            return redirect("collection-write", slug=slug)
    own = found.prompts.filter(written_by=user, withdrawn=False).order_by("-id")
    context = {"collection": found, "form": form, "own": own[:PER_PAGE], "own_count": own.count()}
    return render(request, "comparisons/collections/write.html", context, status=422 if form.errors else 200)


urls = [
    path("collections/", collections, name="collections"),
    path("collections/new/", collection_new, name="collection-new"),
    path("collections/<slug:slug>/", collection, name="collection"),
    path("collections/<slug:slug>/close/", collection_close, name="collection-close"),
    path("collections/<slug:slug>/withdraw/<int:prompt>/", prompt_withdraw, name="collection-withdraw"),
    path("write/<slug:slug>/", write_prompt, name="collection-write"),
]
