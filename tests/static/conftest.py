"""A researcher's window of a real browser, on the test's own database."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.factories import make_user


@pytest.fixture
def page(browser: Browser, live_server, client) -> Iterator[Page]:
    """A window in which a researcher is logged in."""
    client.force_login(make_user("ada"))
    context = browser.new_context(base_url=live_server.url)
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    yield context.new_page()
    context.close()
