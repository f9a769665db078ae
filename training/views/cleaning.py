"""Pages of cleaning: building a recipe, what it would change, the job that applies it, saved recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from pydantic import ValidationError

from alignapp.accounts.access import researcher_required, user_of
from alignapp.accounts.models import User
from training import jobs
from training.forms.cleaning import RecipeNameForm, StepForm
from training.models import CleaningJob, CleaningKind, DatasetVersion, SavedRecipe
from training.preferences import reporting
from training.preferences.checks.findings import Finding
from training.preferences.cleaning import making
from training.preferences.cleaning.previews import Preview
from training.preferences.cleaning.recipes import (
    ACTIONS,
    STEPS,
    STEPS_AT_MOST,
    AnyStep,
    BadRecipe,
    Recipe,
    read_stored,
    read_token,
)
from training.preferences.cleaning.wording import conditions, said
from training.preferences.filters import Filter
from training.preferences.report import Report

EXAMPLES_SHOWN = 2
EXAMPLES_PER_PAGE = 10
SECTION = {"section": "datasets"}
# What an action means at a finding, where its default would miss what was found.
MEANT: Mapping[tuple[str, str], Callable[[Finding | None], Mapping[str, Any]]] = {
    ("near_duplicates", "merge"): lambda _: {"alike": "near"},
    ("label_noise", "soften"): lambda _: {"to": "noise", "rows": Filter()},  # the score of the others counts as well
    ("length_bias", "weight"): lambda finding: {"how": "multiply", "value": _balancing(finding)},
}


def _balancing(finding: Finding | None) -> float:
    """By what the weights of a finding's rows are multiplied so that they and the others weigh the same."""
    share = finding.share[0] if finding and finding.share else 0.5
    return (1 - share) / share


def _version_or_404(slug: str, number: int) -> DatasetVersion:
    versions = DatasetVersion.objects.select_related("dataset", "parent__dataset")
    version = get_object_or_404(versions, dataset__slug=slug, number=number)
    if not version.path.is_file():
        raise Http404(f"The sealed file of {version} is not on this machine.")
    return version


def _clean_url(version: DatasetVersion, recipe: Recipe | None = None, **more: Any) -> str:
    query = ({"recipe": recipe.token()} if recipe and recipe.steps else {}) | more
    address = reverse("dataset-clean", args=[version.dataset.slug, version.number])
    return f"{address}?{urlencode(query)}" if query else address


# --- Building a recipe --------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@researcher_required
def dataset_clean(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """A recipe in the making. `?rule=…&action=…` begins with that step, `?saved=…` with a saved recipe."""
    version = _version_or_404(slug, number)
    try:
        if request.method == "POST":
            return _post(request, version)
        return _page(request, version, _asked(request, version))
    except BadRecipe as error:
        messages.error(request, str(error))
        return redirect(_clean_url(version))


def _asked(request: HttpRequest, version: DatasetVersion) -> Recipe:
    """The recipe that an address asks for."""
    asked = request.GET
    if saved := asked.get("saved", ""):
        found = SavedRecipe.objects.filter(pk=int(saved)).first() if saved.isdecimal() else None
        if found is None:
            raise BadRecipe("There is no such saved recipe any more.")
        return read_stored(found.steps)
    if asked.get("action") in STEPS:
        report = reporting.stored_report(version)
        return Recipe(steps=(_first_step(asked["action"], asked.get("rule", ""), asked.get("filter", ""), report),))
    token = asked.get("recipe", "")
    return read_token(token) if token else Recipe()


def _first_step(action: str, rule: str, chosen: str, report: Report | None = None) -> AnyStep:
    """A step on the rows of a finding, or on those of a filter (JSON, as the browser of pairs has it)."""
    if chosen:
        return _step(action, _filter(chosen))
    meant = MEANT.get((rule, action), lambda _: {})
    return _step(action, Filter(finding=rule)).model_copy(update=meant(report.finding(rule) if report else None))


def _filter(text: str) -> Filter:
    """Rows as JSON, as the browser of pairs has them; raises BadRecipe."""
    try:
        return Filter.model_validate_json(text) if text else Filter()
    except ValidationError as error:
        raise BadRecipe("The address names rows in a form that cannot be read.") from error


def _step(action: str, rows: Filter) -> AnyStep:
    """The action as it is by default, on some rows."""
    step = STEPS[action]() if action == "resplit" else STEPS[action](rows=rows)
    return cast(AnyStep, step)


def _post(request: HttpRequest, version: DatasetVersion) -> HttpResponse:
    """One button of the page: `do` is put, remove, up, apply or save; `at` the place of a step."""
    sent = request.POST
    recipe = read_token(sent["recipe"]) if sent.get("recipe") else Recipe()
    at = int(sent["at"]) if sent.get("at", "").isdecimal() else len(recipe.steps)
    match sent.get("do"):
        case "put":
            return _put(request, version, recipe, at)
        case "remove":
            return redirect(_clean_url(version, Recipe(steps=(*recipe.steps[:at], *recipe.steps[at + 1 :]))))
        case "up" if 0 < at < len(recipe.steps):
            steps = list(recipe.steps)
            steps[at - 1], steps[at] = steps[at], steps[at - 1]
            return redirect(_clean_url(version, Recipe(steps=tuple(steps))))
        case "save":
            return _save(request, version, recipe)
        case "apply":
            return _apply(request, version, recipe)
    return redirect(_clean_url(version, recipe))


def _put(request: HttpRequest, version: DatasetVersion, recipe: Recipe, at: int) -> HttpResponse:
    """Adds a step, or puts it in the place of another."""
    action = request.POST.get("action", "")
    if action not in STEPS:
        raise BadRecipe("There is no such action. Choose one of the list.")
    kept = recipe.steps[at].rows if at < len(recipe.steps) else _filter(request.POST.get("filter", ""))
    form = StepForm(action, reporting.stored_report(version), request.POST, kept)
    if not form.is_valid() or form.step is None:
        return _page(request, version, recipe, form=form, at=at)
    if at >= STEPS_AT_MOST:
        raise BadRecipe(f"A recipe has at most {STEPS_AT_MOST} steps. Apply these first, then clean the new version.")
    return redirect(_clean_url(version, Recipe(steps=(*recipe.steps[:at], form.step, *recipe.steps[at + 1 :]))))


def _save(request: HttpRequest, version: DatasetVersion, recipe: Recipe) -> HttpResponse:
    if recipe.names_rows:
        raise BadRecipe("A recipe that names rows by number means nothing on another version, so it is not saved.")
    form = RecipeNameForm(request.POST, instance=SavedRecipe(steps=recipe.stored(), created_by=user_of(request)))
    if not recipe.steps or not form.is_valid():
        return _page(request, version, recipe, name_form=form)
    saved = form.save()
    messages.success(request, f"Saved as “{saved.name}”.")
    return redirect(_clean_url(version, recipe))


def _apply(request: HttpRequest, version: DatasetVersion, recipe: Recipe) -> HttpResponse:
    if not recipe.steps:
        raise BadRecipe("The recipe has no step yet. Add one first.")
    if child := making.existing_child(version, recipe):
        return redirect("dataset-diff", child.dataset.slug, child.number)
    return redirect(making.submit(version, recipe, user_of(request)))


def _page(
    request: HttpRequest,
    version: DatasetVersion,
    recipe: Recipe,
    *,
    form: StepForm | None = None,
    at: int | None = None,
    name_form: RecipeNameForm | None = None,
) -> HttpResponse:
    report = reporting.report_of(version)
    status = 422 if form or name_form else 200
    if form is None:
        form, at = _open_form(request, recipe, report)
    steps = [(number, step, said(step)) for number, step in enumerate(recipe)]
    context = SECTION | {
        "version": version,
        "report": report,
        "standing": reporting.standing(version),
        "recipe": recipe,
        "token": recipe.token() if recipe.steps else "",
        "steps": steps,
        **_rows_from_elsewhere(request),
        "actions": ACTIONS,
        "form": form,
        "at": at,
        "name_form": name_form or RecipeNameForm(),
        "saved": SavedRecipe.objects.all(),
    }
    if recipe.steps:
        context |= preview_of(version, recipe, user_of(request))
    return render(request, "training/datasets/clean.html", context, status=status)


def _rows_from_elsewhere(request: HttpRequest) -> dict[str, str]:
    """The rows that a link from the browser of pairs is about, until a step takes them."""
    chosen = request.POST.get("filter", "") or request.GET.get("filter", "")
    if not chosen or request.GET.get("action") in STEPS:
        return {}
    return {"filter": chosen, "filter_words": ", ".join(conditions(_filter(chosen)))}


def _open_form(request: HttpRequest, recipe: Recipe, report: Any) -> tuple[StepForm | None, int | None]:
    """`?edit=` opens a step, `?add=` an empty one; a step that a finding's button began is open."""
    edit, add = request.GET.get("edit", ""), request.GET.get("add", "")
    if edit.isdecimal() and int(edit) < len(recipe.steps):
        return StepForm.of(recipe.steps[int(edit)], report), int(edit)
    if add in STEPS:
        return StepForm.of(_step(add, _filter(request.GET.get("filter", ""))), report), len(recipe.steps)
    if request.GET.get("action") in STEPS and len(recipe.steps) == 1:
        return StepForm.of(recipe.steps[0], report), 0
    return None, None


# --- What it would change -----------------------------------------------------------------------------------------


def preview_of(version: DatasetVersion, recipe: Recipe, user: User) -> dict[str, Any]:
    """The preview's part of a context: `problem` where the recipe cannot be applied, `looking` while a worker looks."""
    try:
        plan = making.look_at(version, recipe, user)
    except BadRecipe as error:
        return {"problem": str(error)}
    if isinstance(plan, CleaningJob):
        return {"looking": plan}
    shown = [
        {"effect": effect, "words": said(effect.step), "examples": effect.examples[:EXAMPLES_SHOWN]}
        for effect in plan.effects
    ]
    before, after = plan.before, plan.after
    sizes = [(label, before[key], after[key], after[key] - before[key]) for key, label in SIZES.items()]
    return {
        "plan": plan,
        "effects": shown,
        "sizes": sizes,
        "existing": making.existing_child(version, recipe),
        "nothing": _nothing(plan),
    }


SIZES = {"rows": "Rows", "train": "To train on", "held_out": "Held out"}


def _nothing(plan: Preview) -> str:
    if plan.changes_nothing:
        return making.NOTHING_CHANGED
    return making.NOTHING_LEFT if plan.after["rows"] == 0 else ""


@require_GET
@researcher_required
def dataset_clean_preview(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The preview alone, which the page of a large version asks for until a worker has found it out."""
    version = _version_or_404(slug, number)
    try:
        recipe = read_token(request.GET.get("recipe", ""))
    except BadRecipe as error:
        raise Http404(str(error)) from error
    found = preview_of(version, recipe, user_of(request))
    context = {"version": version, "token": recipe.token(), "recipe": recipe, **found}
    return render(request, "training/datasets/_changes.html", context)


@require_GET
@researcher_required
def dataset_clean_examples(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """All rows that one step (`?step=`, from 1) touches, before and after it."""
    version = _version_or_404(slug, number)
    try:
        recipe = read_token(request.GET.get("recipe", ""))
        plan = making.look_at(version, recipe, user_of(request))
        if isinstance(plan, CleaningJob):
            return redirect(_clean_url(version, recipe))
        effect = plan.effects[int(request.GET.get("step", "1")) - 1]
    except (BadRecipe, ValueError, IndexError) as error:
        raise Http404("The recipe has no such step on this version.") from error
    context = SECTION | {
        "version": version,
        "effect": effect,
        "words": said(effect.step),
        "back": _clean_url(version, recipe),
        "page": Paginator(effect.examples, EXAMPLES_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "training/datasets/recipe_rows.html", context)


# --- Applying it --------------------------------------------------------------------------------------------------


def _job_context(pk: UUID) -> dict[str, Any]:
    of_versions = CleaningJob.objects.filter(kind=CleaningKind.VERSION)
    job = get_object_or_404(of_versions.select_related("parent__dataset", "version__dataset"), pk=pk)
    steps = []
    try:
        steps = [said(step) for step in read_stored(job.recipe)]
        back = _clean_url(job.parent, read_stored(job.recipe))
    except BadRecipe:
        back = _clean_url(job.parent)
    return SECTION | {"job": job, "steps": steps, "back": back}


@require_GET
@researcher_required
def dataset_cleaning(request: HttpRequest, pk: UUID) -> HttpResponse:
    """A recipe being applied: how far it is, or how it ended."""
    return render(request, "training/datasets/cleaning.html", _job_context(pk))


@require_GET
@researcher_required
def dataset_cleaning_live(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The part of the page that changes; its answer says when nothing more will."""
    return render(request, "training/datasets/cleaning.html#live", _job_context(pk))


@require_POST
@researcher_required
def dataset_cleaning_cancel(request: HttpRequest, pk: UUID) -> HttpResponse:
    job = get_object_or_404(CleaningJob, pk=pk)
    if not jobs.cancel(job):
        messages.info(request, "The cleaning had ended before it could be cancelled.")
    return redirect(job)


_version = "datasets/<slug:slug>/v<int:number>/clean/"
urls = [
    path(_version, dataset_clean, name="dataset-clean"),
    path(f"{_version}preview/", dataset_clean_preview, name="dataset-clean-preview"),
    path(f"{_version}rows/", dataset_clean_examples, name="dataset-clean-rows"),
    path("cleanings/<uuid:pk>/", dataset_cleaning, name="dataset-cleaning"),
    path("cleanings/<uuid:pk>/live/", dataset_cleaning_live, name="dataset-cleaning-live"),
    path("cleanings/<uuid:pk>/cancel/", dataset_cleaning_cancel, name="dataset-cleaning-cancel"),
]
