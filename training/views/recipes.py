"""Pages of saved recipes: the list, and one with a version to apply it to."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_POST

from alignapp.accounts.access import researcher_required, user_of
from alignapp.accounts.models import User
from training.forms.cleaning import RecipeNameForm, RecipeVersionForm
from training.models import DatasetVersion, SavedRecipe
from training.preferences import reporting
from training.preferences.cleaning.recipes import BadRecipe, read_stored
from training.preferences.cleaning.wording import said
from training.views.cleaning import SECTION, preview_of


@require_GET
@researcher_required
def recipes(request: HttpRequest) -> HttpResponse:
    """Saved recipes with their steps."""
    return _recipes_page(request)


def _recipes_page(request: HttpRequest, failed: RecipeNameForm | None = None) -> HttpResponse:
    shown = []
    for recipe in SavedRecipe.objects.select_related("created_by"):
        own = failed if failed and failed.instance.pk == recipe.pk else None
        shown.append((recipe, _words(recipe), own or RecipeNameForm(instance=recipe, auto_id=f"recipe-{recipe.pk}-%s")))
    context = SECTION | {"recipes": shown}
    return render(request, "training/datasets/recipes.html", context, status=422 if failed else 200)


def _words(saved: SavedRecipe) -> list[str]:
    """The steps in words, or why they cannot be read."""
    try:
        return [said(step) for step in read_stored(saved.steps)]
    except BadRecipe as error:
        return [str(error)]


@require_GET
@researcher_required
def recipe(request: HttpRequest, pk: int) -> HttpResponse:
    """A saved recipe and a version to apply it to: what it would change, and the button that makes the new version."""
    saved = get_object_or_404(SavedRecipe.objects.select_related("created_by"), pk=pk)
    form = RecipeVersionForm(request.GET if "version" in request.GET else None)
    context = SECTION | {"saved": saved, "words": _words(saved), "form": form}
    status = 200
    if form.is_bound:
        status = 200 if form.is_valid() else 422
        context |= _applied(saved, form.cleaned_data.get("version"), user_of(request))
    return render(request, "training/datasets/recipe.html", context, status=status)


def _applied(saved: SavedRecipe, version: DatasetVersion | None, user: User) -> dict[str, Any]:
    """What a saved recipe would do to a version, as the page of that version shows it."""
    if version is None:
        return {}
    try:
        steps = read_stored(saved.steps)
        context: dict[str, Any] = {"recipe": steps, "token": steps.token(), "version": version}
    except BadRecipe as error:
        return {"problem": str(error)}
    return context | {"standing": reporting.standing(version)} | preview_of(version, steps, user)


@require_POST
@researcher_required
def recipe_rename(request: HttpRequest, pk: int) -> HttpResponse:
    saved = get_object_or_404(SavedRecipe, pk=pk)
    form = RecipeNameForm(request.POST, instance=saved, auto_id=f"recipe-{pk}-%s")
    if not form.is_valid():
        return _recipes_page(request, form)
    form.save()
    return redirect("recipes")


@require_POST
@researcher_required
def recipe_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """What was made with it stays, with its own copy of the steps."""
    get_object_or_404(SavedRecipe, pk=pk).delete()
    return redirect("recipes")


urls = [
    path("recipes/", recipes, name="recipes"),
    path("recipes/<int:pk>/", recipe, name="recipe"),
    path("recipes/<int:pk>/rename/", recipe_rename, name="recipe-rename"),
    path("recipes/<int:pk>/delete/", recipe_delete, name="recipe-delete"),
]
