"""Names as they are kept."""

from __future__ import annotations

import pytest

from training.preferences.names import plain_name


@pytest.mark.parametrize(
    "given,kept",
    [
        ("  Towns   and\tsoups ", "Towns and soups"),
        ("a\0b", "a b"),
        ("safe\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "safegpj.exe"),
        ("\N{FIRST STRONG ISOLATE}x\N{POP DIRECTIONAL ISOLATE}", "x"),
        ("مدن\N{RIGHT-TO-LEFT MARK} وحساء", "مدن\N{RIGHT-TO-LEFT MARK} وحساء"),
    ],
)
def test_a_name_is_kept_on_one_line_and_in_its_own_direction(given: str, kept: str) -> None:
    assert plain_name(given) == kept
