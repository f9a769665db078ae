"""What axe finds on the pages of studies, campaigns, suites, collections and people, with something on each."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from tests.e2e.conftest import log_in
from tests.e2e.test_accessibility import findings

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("site"), pytest.mark.timeout(180)]


@pytest.mark.parametrize("name", ["rosa", "ilse"])
def test_axe_finds_nothing_on_pages_about_studies(
    at_site: BrowserContext, study_pages: dict[str, dict[str, str]], name: str
):
    page = log_in(at_site, name)
    found: list[str] = []
    for path in study_pages[name].values():
        assert page.goto(path).ok, path
        found += findings(page)
    assert not found, "\n".join(found)
