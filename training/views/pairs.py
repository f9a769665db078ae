"""Pages about the rows of a version: a listing by filter and order, one row, tags, downloads of what is listed."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from alignapp.accounts.access import researcher_required, user_of
from training.downloads import in_chunks, streamed
from training.models import DatasetVersion
from training.preferences import browsing, reporting, tags, trl
from training.preferences.browsing import making, presenting
from training.preferences.browsing.differences import compared
from training.preferences.browsing.groups import groups_of
from training.preferences.browsing.listings import ROWS_PER_PAGE, Listing, listing_of
from training.preferences.browsing.selecting import Browser, Selection
from training.preferences.filters import Filter
from training.preferences.report import Report
from training.views.datasets import JSON_LINES, SPLITS, version_with_file_or_404
from training.views.filling import filling

CONDITIONS = {"text": "Words", "split": "Split", "finding": "Finding", "tag": "Tag", "rows": "Rows", "group": "Group"}


# --- The listing --------------------------------------------------------------------------------------------------


@require_safe
@researcher_required
def dataset_pairs(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """The rows of a version that meet a filter, in any order; the address holds all of it (browsing.listings)."""
    version = version_with_file_or_404(slug, number)
    standing = reporting.standing(version)
    browser, problem = _opened(version)
    if browser is None:
        making.ask_for(version.path)
        waiting = {"version": version, "making": making.how_far(version.path), "problem": problem}
        return render(request, "training/datasets/pairs_waiting.html", waiting)
    listing = listing_of(request.GET, browser.sorts)
    try:
        selection = browser.select(listing.filter)
    except browsing.UnknownCondition as unknown:
        context: dict[str, Any] = {"complaints": (*listing.complaints, str(unknown)), "shown": [], "unknown": True}
    else:
        context = _page(version, browser, selection, listing)
    context |= _around(version, browser, listing, standing.report) | {"standing": standing}
    is_gone = "unknown" in context and not (standing.report is None and standing.is_awaited)
    return render(request, "training/datasets/pairs.html", context, status=404 if is_gone else 200)


def _opened(version: DatasetVersion) -> tuple[Browser | None, str]:
    """The browser if its index is there or soon made; else what is in the way, if it is a problem."""
    try:
        return browsing.open_browser(version), ""
    except OSError as error:
        return None, str(error) if error.errno is None else "The index of these rows cannot be written to the disk."


def _page(version: DatasetVersion, browser: Browser, selection: Selection, listing: Listing) -> dict[str, Any]:
    """The page of a selection; one after the last is the last."""
    last = max(1, -(-len(selection) // ROWS_PER_PAGE))
    listing = listing.on_page(min(listing.page, last))
    rows = selection.page(listing.start, ROWS_PER_PAGE, listing.sort, descending=listing.descending)
    scores = presenting.shown_scores(listing.sort, listing.filter.bounds, browser.sorts)
    shown = presenting.shown(browser, version, rows.tolist(), scores)
    groups = _groups(selection, shown, listing) if listing.sort == "row" else []
    return {
        "complaints": listing.complaints,
        "shown": shown,
        "stretches": groups or [{"group": None, "rows": shown}],
        "groups": selection.groups if groups else 0,
        "total": len(selection),
        "start": listing.start + 1,
        "end": listing.start + len(rows),
        "heads": [_head(listing, name) for name in scores],
        "row_head": _head(listing, "row"),
        "previous": listing.on_page(listing.page - 1) if listing.page > 1 else None,
        "next": listing.on_page(listing.page + 1) if listing.page < last else None,
        "too_many_to_tag": len(selection) > tags.ROWS_TAGGED_AT_ONCE,
    }


def _groups(selection: Selection, shown: list[presenting.ShownRow], listing: Listing) -> list[dict[str, Any]]:
    """The groups on a page, each with the address of all its rows."""
    groups = groups_of(selection, shown, listing.start, descending=listing.descending)
    finding = listing.filter.finding
    return [
        {"group": group, "rows": group.rows, "query": Listing(Filter(finding=finding, group=group.number)).query}
        for group in groups
    ]


def _head(listing: Listing, name: str) -> dict[str, Any]:
    """A column's head: a press sorts by it, most first; another turns the order round."""
    current = listing.sort == name
    descending = not listing.descending if current else name != "row"
    return {
        "label": presenting.short_label_of(name),
        "whole": presenting.label_of(name),
        "query": listing.sorted_by(name, descending=descending).query,
        "order": ("descending" if listing.descending else "ascending") if current else "",
    }


def _around(version: DatasetVersion, browser: Browser, listing: Listing, report: Report | None) -> dict[str, Any]:
    """What stands around the rows: the filter's fields and chips, the ways on."""
    own = tags.used(version)
    at = [version.dataset.slug, version.number]
    clean = _address_if_there("dataset-clean", at)
    return {
        "version": version,
        "report": report,
        "listing": listing,
        "chips": [_chip(*condition, report) for condition in listing.conditions()],
        "finding": report.finding(listing.filter.finding) if report else None,
        "findings": presenting.found_rows(report),
        "splits": SPLITS,
        "sorts": presenting.sorts(browser),
        "languages": browser.scores.languages(),
        "language_note": (report.notes or {}).get("languages", "") if report else "",
        "listed": browser.index.listed,
        "own_tags": own,
        "all_tags": list(dict.fromkeys([*own, *browser.index.listed["tag"]])),
        "clean_address": f"{clean}?{urlencode({'filter': listing.filter_json})}" if clean else "",
        "most_tagged": tags.ROWS_TAGGED_AT_ONCE,
        "filling": filling(version, filter=listing.filter_json) if listing.is_filtered else [],
    }


def _address_if_there(name: str, at: list[Any]) -> str:
    try:
        return reverse(name, args=at)
    except NoReverseMatch:
        return ""


def _chip(name: str, value: Any, without: Listing, report: Report | None) -> dict[str, str]:
    """A condition in words, and the address without it."""
    label, text = CONDITIONS.get(name, name.capitalize()), str(value)
    if name == "bounds":
        label = presenting.label_of(value.score)
        ends = [("at least", value.low), ("at most", value.high)]
        text = ", ".join(f"{word} {bound:,.9g}" for word, bound in ends if bound is not None)
    elif name == "split":
        text = SPLITS[value]
    elif name == "rows":
        text = ", ".join(f"{row}" for row in value[:8]) + ("…" if len(value) > 8 else "")
    elif name == "finding" and report:
        text = presenting.words_of(report.finding(value), value)
    return {"label": label, "text": text, "query": without.query}


@require_safe
@researcher_required
def dataset_pairs_live(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """How far the index is; its answer says when it is there."""
    version = version_with_file_or_404(slug, number)
    context = {"version": version, "making": making.how_far(version.path)}
    return render(request, "training/datasets/pairs_waiting.html#live", context)


@require_POST
@researcher_required
def dataset_pairs_index(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Has the index made again after it failed."""
    version = version_with_file_or_404(slug, number)
    making.ask_for(version.path, again=True)
    return redirect("dataset-pairs", slug, number)


@require_safe
@researcher_required
def dataset_pairs_download(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """The rows of a listing as JSON Lines, in its order, streamed."""
    version = version_with_file_or_404(slug, number)
    browser, selection, listing = _selection_or_404(request, version)
    numbers = selection.in_order(listing.sort, descending=listing.descending)
    pairs = (row.pair for row in browser.index.all_rows(numbers))
    name = f"{slug}-v{number}-{'some' if listing.is_filtered else 'all'}-rows.jsonl"
    return streamed(in_chunks(trl.lines(pairs, trl.conversational)), name, JSON_LINES)


def _selection_or_404(request: HttpRequest, version: DatasetVersion) -> tuple[Browser, Selection, Listing]:
    """The exact rows that the address means; nothing is done to rows that it might not mean."""
    browser, problem = _opened(version)
    if browser is None:
        raise Http404(problem or "The index of these rows is still being made. Try again when it is there.")
    listing = listing_of(request.GET, browser.sorts)
    if listing.complaints:
        raise Http404(" ".join(listing.complaints))
    try:
        return browser, browser.select(listing.filter), listing
    except browsing.UnknownCondition as unknown:
        raise Http404(str(unknown)) from None


# --- One row ------------------------------------------------------------------------------------------------------


@require_safe
@researcher_required
def dataset_pair(request: HttpRequest, slug: str, number: int, row: int) -> HttpResponse:
    """One pair in full; with `?part` only what a listing opens below its row."""
    version = version_with_file_or_404(slug, number)
    browser, _ = _opened(version)
    listing = listing_of(request.GET, browser.sorts if browser else ())
    context = _pair_context(version, browser, row)
    if "part" in request.GET:
        return render(request, "training/datasets/_pair.html", context | {"listing": listing})
    return render(request, "training/datasets/pair.html", context | _beside(version, browser, row, listing))


def _beside(version: DatasetVersion, browser: Browser | None, row: int, listing: Listing) -> dict[str, Any]:
    """The rows before and after it in the listing it was opened from; else, where that does not hold it, in the
    version."""
    try:
        selection = browser.select(listing.filter) if browser else None
        around = selection.around(row, listing.sort, descending=listing.descending) if selection else None
    except browsing.UnknownCondition:
        selection = around = None
    if selection is None or around is None:
        previous, following = row - 1 if row else None, row + 1 if row + 1 < version.rows else None
        return {"listing": Listing(), "previous": previous, "next": following}
    page = around.place // ROWS_PER_PAGE + 1
    place = (around.place + 1, len(selection)) if listing.is_filtered or listing.sort != "row" else None
    return {"listing": listing.on_page(page), "previous": around.previous, "next": around.next, "place": place}


def _pair_context(version: DatasetVersion, browser: Browser | None, row: int) -> dict[str, Any]:
    found = browsing.rows_by_number(version.path, [row])
    if not found:
        raise Http404(f"{version} has no row {row}.")
    [opened] = found
    report = reporting.stored_report(version)
    own = tags.of_rows(version, [row]).get(row, [])
    shown = presenting.ShownRow(opened, (), own, [])
    if browser:
        names = [name for name, _ in presenting.sorts(browser)]
        [shown] = presenting.shown(browser, version, [row], names)
    return {
        "version": version,
        "row": opened,
        "item": shown,
        "values": [value for value in shown.values if value.text],
        "row_findings": [
            (presenting.words_of(report.finding(rule) if report else None, rule), rule, group)
            for rule, group in shown.findings
        ],
        "comparison": compared(opened.pair.chosen, opened.pair.rejected) if opened.pair.rejected else None,
        "split": SPLITS[opened.split],
        "all_tags": tags.used(version),
    }


# --- Tags ---------------------------------------------------------------------------------------------------------


@require_POST
@researcher_required
def dataset_pair_tags(request: HttpRequest, slug: str, number: int, row: int) -> HttpResponse:
    """Puts `tag` on a row, or takes `remove` off it."""
    version = version_with_file_or_404(slug, number)
    if row >= version.rows:
        raise Http404(f"{version} has no row {row}.")
    problem = ""
    try:
        if remove := request.POST.get("remove", ""):
            tags.take_off(version, [row], remove)
        else:
            tags.put(version, [row], request.POST.get("tag", ""), user_of(request))
    except tags.BadTag as bad:
        problem = str(bad)
    if request.headers.get("HX-Request"):
        item = presenting.ShownRow(browsing.rows_by_number(version.path, [row])[0], (), [], [])
        item.tags.extend(tags.of_rows(version, [row]).get(row, []))
        context = {"version": version, "item": item, "row": item.row, "problem": problem, "fresh": True}
        return render(request, "training/datasets/_tags.html", context)
    if problem:
        messages.error(request, problem)
    return redirect(_back(request, reverse("dataset-pair", args=[slug, number, row])))


@require_POST
@researcher_required
def dataset_pairs_tags(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Puts a tag on all rows of a listing, or takes it off them."""
    version = version_with_file_or_404(slug, number)
    _, selection, listing = _selection_or_404(request, version)
    tag = request.POST.get("tag", "")
    try:
        if request.POST.get("do") == "remove":
            tags.take_off(version, selection.rows.tolist(), tag)
            messages.success(request, f"“{tag.strip()}” is taken off these {len(selection):,} rows.")
        else:
            tags.put(version, selection.rows.tolist(), tag, user_of(request))
            messages.success(request, f"“{tags.tag_of(tag)}” is on these {len(selection):,} rows.")
    except tags.BadTag as bad:
        messages.error(request, str(bad))
    return redirect(f"{reverse('dataset-pairs', args=[slug, number])}?{listing.query}")


def _back(request: HttpRequest, otherwise: str) -> str:
    """Where a form says that it came from, if that is one of our pages."""
    address = request.POST.get("next", "")
    return address if url_has_allowed_host_and_scheme(address, {request.get_host()}) else otherwise


_version = "datasets/<slug:slug>/v<int:number>/"
urls: list[URLPattern] = [
    path(f"{_version}pairs/", dataset_pairs, name="dataset-pairs"),
    path(f"{_version}pairs/live/", dataset_pairs_live, name="dataset-pairs-live"),
    path(f"{_version}pairs/index/", dataset_pairs_index, name="dataset-pairs-index"),
    path(f"{_version}pairs/download/", dataset_pairs_download, name="dataset-pairs-download"),
    path(f"{_version}pairs/tags/", dataset_pairs_tags, name="dataset-pairs-tags"),
    path(f"{_version}pairs/<int:row>/", dataset_pair, name="dataset-pair"),
    path(f"{_version}pairs/<int:row>/tags/", dataset_pair_tags, name="dataset-pair-tags"),
]
