"""A person's browser without a picture: logs in, follows links, sends forms with their hidden fields."""

from __future__ import annotations

from typing import Any

import httpx
from bs4 import BeautifulSoup, Tag

from .waiting import StageFailed


class Browser:
    """One log-in on the real pages, over HTTP; `page` is what the last answer showed."""

    def __init__(self, address: str, username: str, password: str) -> None:
        self.client = httpx.Client(base_url=address, timeout=60, follow_redirects=True)
        self.username = username
        self.open("/login/")
        self.send({"username": username, "password": password})
        if self.path.startswith("/login/"):
            raise StageFailed(f"{username} could not log in at {address}.")

    def open(self, path: str) -> BeautifulSoup:
        """Open a page; raises StageFailed when the answer is an error."""
        return self._show(self.client.get(path))

    def send(self, values: dict[str, Any], form: str = "main form[method=post]", files: Any = None) -> BeautifulSoup:
        """Send the form that this CSS selector finds, with its own fields and `values`."""
        found = self.page.select_one(form)
        if found is None:
            raise StageFailed(f"{self.path} has no form {form!r}.")
        return self._post(str(found.get("action") or self.response.url), _fields(found) | values, files)

    def press(self, button: str) -> BeautifulSoup:
        """Press the button that this CSS selector finds: its form goes to the button's own address."""
        found = self.page.select_one(button)
        if found is None:
            raise StageFailed(f"{self.path} has no button {button!r}.")
        form = self.page.find(id=str(found["form"])) if found.has_attr("form") else found.find_parent("form")
        fields = _fields(form) if isinstance(form, Tag) else {}
        return self._post(str(found["formaction"]), fields)

    def _post(self, address: str, fields: dict[str, Any], files: Any = None) -> BeautifulSoup:
        headers = {"Referer": str(self.response.url)}
        return self._show(self.client.post(address, data=fields, files=files, headers=headers))

    @property
    def path(self) -> str:
        """Where the browser is."""
        return self.response.url.path

    def _show(self, response: httpx.Response) -> BeautifulSoup:
        self.response = response
        self.page = BeautifulSoup(response.text, "html.parser")
        if response.is_error:
            said = self.page.select_one(".notice, .field .error, main")
            words = " ".join(said.get_text(" ", strip=True).split())[:300] if said else response.reason_phrase
            raise StageFailed(f"{response.request.method} {response.url.path} answered {response.status_code}: {words}")
        return self.page

    def close(self) -> None:
        self.client.close()


def _fields(form: Tag) -> dict[str, Any]:
    """What a browser would send of an untouched form: field by field, without buttons, unticked boxes and files."""
    fields: dict[str, Any] = {}
    for control in form.find_all(["input", "select", "textarea"]):
        name, kind = str(control.get("name", "")), str(control.get("type", "")).lower()
        if not name or kind in {"submit", "button", "file"} or control.has_attr("disabled"):
            continue
        if kind in {"checkbox", "radio"}:
            if control.has_attr("checked"):
                _add(fields, name, control.get("value", "on"))
        elif control.name == "select":
            chosen = control.select("option[selected]") or (
                [] if control.has_attr("multiple") else control.select("option")[:1]
            )
            for option in chosen:
                _add(fields, name, option.get("value", option.get_text()))
        else:
            _add(fields, name, control.get_text() if control.name == "textarea" else control.get("value", ""))
    return fields


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    """Keep one value as it is and several of one name as a list."""
    if name in fields:
        before = fields[name]
        fields[name] = [*(before if isinstance(before, list) else [before]), value]
    else:
        fields[name] = value
