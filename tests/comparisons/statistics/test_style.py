"""What an answer looks like, in Markdown and in text that only looks like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from comparisons.statistics.style import FEATURES, Style, style_differences, style_of

ANSWER = """# Ferries

There are **two** ferries, and __both__ run *daily*:

1. the early one
2) the late one
   - with a car deck
* on foot

## Code

```python
# not a header
- not an item, **not bold**
```
"""


def test_everything_is_counted_once_and_code_is_code():
    found = style_of(ANSWER)
    assert (found.headers, found.bold, found.list_items, found.code_blocks) == (2, 2, 4, 1)
    assert found.length == len(ANSWER)


def test_length_is_in_tokens_where_they_are_known():
    assert style_of("three short words", tokens=3).length == 3


@pytest.mark.parametrize(
    "text,expected",
    [
        ("#hashtag, not a header", (0, 0, 0, 0)),
        ("####### seven", (0, 0, 0, 0)),
        ("-5 degrees", (0, 0, 0, 0)),
        ("1984. That was the year", (0, 0, 1, 0)),
        ("2 ** 3 ** 4 and __init__", (0, 1, 0, 0)),
        ("** spaced ** is not bold", (0, 0, 0, 0)),
        ("***bold and italic***", (0, 1, 0, 0)),
        ("~~~\n# never closed", (0, 0, 0, 1)),
        ("````\n```\n# still code\n````\n# a header", (1, 0, 0, 1)),
        ("```\ncode\n``` not a close\n# code\n```\n", (0, 0, 0, 1)),
        ("", (0, 0, 0, 0)),
    ],
)
def test_look_alikes(text, expected):
    found = style_of(text)
    assert (found.headers, found.bold, found.list_items, found.code_blocks) == expected


@given(some.text(alphabet="#*_-`~1. \n\tab\u2028\r", max_size=300))
def test_any_text_has_a_style(text):
    assert min(style_of(text).headers, style_of(text).bold, style_of(text).code_blocks) >= 0


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["*", "**a", "__", " ", "`", "1.", "**a\n"])
def test_a_hostile_megabyte_is_read_without_backtracking(unit):
    text = unit * (1_000_000 // len(unit)) + "-"
    assert style_of(text).length == len(text)


def test_differences_are_shares_of_the_sum():
    """300 against 100 tokens: 200 / 400; no header in either: 0; 2 bold against none: 1."""
    found = style_differences([Style(300, 0, 2, 1, 0)], [Style(100, 0, 0, 3, 1)])
    assert found.tolist() == [[0.5, 0.0, 1.0, -0.5, -1.0]]
    assert found.shape[1] == len(FEATURES)


def test_no_votes_have_no_differences():
    assert style_differences([], []).shape == (0, 5)
