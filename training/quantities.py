"""Numbers as people read them: durations, counts, memory. The template filters of the same names call these."""

from __future__ import annotations

from training.launching.config_fields import number_text

MINUTE, HOUR, DAY = 60, 3600, 86_400


def duration(seconds: float | None) -> str:
    """0.4 -> 'under 1 s', 75 -> '1 min 15 s', 7500 -> '2 h 5 min'; an empty string for None."""
    if seconds is None:
        return ""
    if seconds < 1:
        return "under 1 s"
    whole = round(seconds)
    for size, unit, part, part_unit in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {part_unit}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def about(seconds: float | None) -> str:
    """A duration that is only guessed, without false precision: 75 -> '1 min', 4000 -> '1.1 h'."""
    if seconds is None:
        return ""
    if seconds < MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} min"
    return f"{seconds / HOUR:.1f} h" if seconds < DAY else f"{seconds / DAY:.1f} days"


def compact(count: float | None) -> str:
    """1234 -> '1.2 k', 8030261248 -> '8.0 bn'."""
    if count is None:
        return ""
    for size, unit in ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f}" if count >= 100 else f"{count:.3g}"


def gib(size: int | None) -> str:
    """Bytes as GiB, or MiB below a tenth of one."""
    if not size:
        return ""
    return f"{size / 1024**3:.1f} GiB" if size >= 1024**3 / 10 else f"{size / 1024**2:.0f} MiB"


def measured(value: float | None) -> str:
    """A measured number with four significant digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.3g}" if 0 < abs(value) < 1e-4 else number_text(float(f"{value:.4g}"))


def percent(share: float | None) -> str:
    """0.416 -> '42 %'."""
    return "" if share is None else f"{share * 100:.0f} %"


def fine_percent(share: float | None) -> str:
    """To a tenth: 0.0512 -> '5.1 %', 0.05 -> '5 %'."""
    return "" if share is None else f"{round(share * 100, 1):g} %"
