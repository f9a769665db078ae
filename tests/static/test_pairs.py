"""The browser of pairs from the keyboard, in a real browser."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.conf import settings
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.training.hostile import ISOLATES
from tests.training.preferences.pairs import pair
from training.preferences import importing, reporting


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> str:
    """The rows of a finding: group 0 with the rows 0, 1 and 3, group 2 with the rows 2 and 4."""
    monkeypatch.setattr(settings, "HOME", tmp_path)
    pairs = [pair(f"Q{n}?", f"The answer {n}.", f"No answer {n}.") for n in range(6)]
    version = importing.seal(importing.dataset_named("Islands"), pairs, {})
    found = {"rule": ["copies"] * 5, "row": [0, 1, 3, 2, 4], "group": [0, 0, 0, 2, 2]}
    pq.write_table(pa.table(found), reporting.place_of(version).rows, use_dictionary=["rule"])
    return reverse("dataset-pairs", args=["islands", 1]) + "?finding=copies"


def focused(page: Page) -> object:
    return page.evaluate("document.activeElement.closest('[data-row]')?.dataset.row")


def test_a_direction_that_a_text_sets_ends_with_its_link_or_span(page: Page, address: str):
    page.goto(address)
    for name in ISOLATES - {"strong"}:
        style = page.evaluate("name => getComputedStyle(document.querySelector(`main ${name}`)).unicodeBidi", name)
        assert style == "isolate", name


def test_keys_go_from_row_to_row_across_groups_and_open_them(page: Page, address: str):
    page.goto(address)
    expect(page.locator(".group-head")).to_have_count(2)
    seen = []
    for _ in range(5):
        page.keyboard.press("j")
        seen.append(focused(page))
    assert seen == ["0", "1", "3", "2", "4"]

    page.keyboard.press("Enter")
    opened = page.locator("#open-4")
    expect(opened).to_contain_text("The answer 4.")
    assert page.evaluate("document.querySelector('#open-4').previousElementSibling.id") == "row-4"
    page.keyboard.press("k")
    assert focused(page) == "2"
