"""What the look promises and no picture shows: no inline code, files that exist, contrast, a mark for every method."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
TOKENS = (ROOT / "static/css/tokens.css").read_text()
METHODS = ("base", "sft", "dpo", "cpo", "rlhf", "contrastive_cpo", "simpo", "reward", "inspection")
INLINE = {
    "style attribute": re.compile(r"<[^>{%]+\sstyle=", re.IGNORECASE),
    "style element": re.compile(r"<style\b", re.IGNORECASE),
    "handler attribute": re.compile(r"<[^>]+\s(?:on[a-z]+|hx-on[:a-z-]*)=", re.IGNORECASE),
    "script in the page": re.compile(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", re.IGNORECASE),
    "evaluated value": re.compile(r"=[\"'](?:js|javascript):", re.IGNORECASE),
}


def themes(token: str) -> list[str]:
    """Return the colours (#rrggbb) of a token in the light and in the dark theme."""
    found = re.search(rf"--{token}: (?:light-dark\((#\w+), (#\w+)\)|(#\w+));", TOKENS)
    assert found, token
    light, dark, both = found.groups()
    return [both, both] if both else [light, dark]


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.2): linear red, green, blue weighted .2126, .7152, .0722."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21: (lighter + .05) / (darker + .05)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_contrast_of_black_and_white_is_21() -> None:
    """(1 + .05) / (0 + .05) = 21."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_a_template_holds_no_inline_code(path: Path) -> None:
    found = [what for what, pattern in INLINE.items() if pattern.search(path.read_text())]
    assert not found


def test_every_static_file_that_a_template_names_exists() -> None:
    named = {name for path in TEMPLATES for name in re.findall(r"{% static ['\"]([^'\"]+)['\"] %}", path.read_text())}
    assert named
    assert [name for name in named if finders.find(name) is None] == []


@pytest.mark.parametrize(
    "front,back,least",
    [
        *[
            (text, back, 4.5)
            for text in ("text", "text-muted", "accent")
            for back in ("canvas", "surface", "hover", "shade")
        ],
        *[(level, f"{level}-soft", 4.5) for level in ("good", "warn", "bad", "info", "accent")],
        *[("on-accent", fill, 4.5) for fill in ("accent-fill", "accent-fill-hover", "bad-fill", "bad-fill-hover")],
        *[(f"method-{method}", "surface", 3.0) for method in METHODS],
        *[("border-strong", back, 3.0) for back in ("canvas", "surface")],
    ],
)
def test_colours_can_be_told_apart_in_both_themes(front: str, back: str, least: float) -> None:
    ratios = [contrast(*pair) for pair in zip(themes(front), themes(back), strict=True)]
    assert min(ratios) >= least


def test_every_method_has_a_colour_a_mark_and_a_shape_in_charts() -> None:
    marks = (ROOT / "static/css/components.css").read_text()
    shapes = (ROOT / "static/js/charts.js").read_text()
    for method in METHODS:
        assert themes(f"method-{method}")
        assert f'[data-method="{method}"]' in marks
        assert re.search(rf"^  {method}: ", shapes, re.MULTILINE)


def test_no_two_methods_share_a_colour() -> None:
    for theme in (0, 1):
        assert len({themes(f"method-{method}")[theme] for method in METHODS}) == len(METHODS)
