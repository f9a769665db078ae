"""Versions, addresses of their pages, and what these pages say."""

from __future__ import annotations

from typing import Any

from bs4 import BeautifulSoup
from django.urls import reverse

from tests.training.preferences.pairs import pair
from training.models import DatasetVersion
from training.preferences import importing
from training.preferences.records import Pair


def sealed(pairs: list[Pair] | None = None, **more: Any) -> DatasetVersion:
    default = [pair(f"Q{n}?", f"The answer {n}.", f"No answer {n}.", annotator=f"a{n % 2}") for n in range(60)]
    return importing.seal(importing.dataset_named("Islands"), pairs or default, {}, held_out_share=0.2, **more)


def address(version: DatasetVersion, query: str = "", name: str = "dataset-pairs", *more: Any) -> str:
    return reverse(name, args=[version.dataset.slug, version.number, *more]) + (f"?{query}" if query else "")


def soup(response: Any) -> BeautifulSoup:
    return BeautifulSoup(response.content, "html.parser")


def text_of(response: Any) -> str:
    return " ".join(soup(response).get_text(" ").split())


def listed(response: Any) -> list[int]:
    return [int(str(row["data-row"])) for row in soup(response).select("[data-row]")]
