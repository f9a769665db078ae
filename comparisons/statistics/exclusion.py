"""Which raters look suspicious, in words, and who is left out by a rule that was written down beforehand.

A suspicion is a reason to look; it takes uncertainty into account. A rule decides: it is fixed before anybody has seen
a ranking, is told in one sentence, and results are shown with and without those whom it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .raters import Profile
from .shares import Share, percent


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on a profile looks suspicious. Of shares the whole interval must lie beyond; p as in the profile."""

    side_p: float = 0.001
    length_slope: float = 1.0
    consistent: float = 0.6
    gold: float = 0.7
    attention: int = 2
    no_preference: float = 0.8
    quick: float = 0.3
    straight_line_p: float = 0.001
    fastest_minute: int = 20
    accuracy: float = 0.6


def suspicious(profile: Profile, thresholds: Thresholds | None = None) -> list[str]:
    """Reasons to look at a rater's judgements, each a sentence without its full stop; none if nothing stands out."""
    limits = thresholds or Thresholds()
    return [*_habits(profile, limits), *_answers(profile, limits), *_pace(profile, limits)]


def _habits(profile: Profile, limits: Thresholds) -> Iterator[str]:
    if profile.side_a and profile.side_a_p is not None and profile.side_a_p < limits.side_p:
        side, value = ("left", profile.side_a) if profile.side_a.value > 0.5 else ("right", _rest(profile.side_a))
        yield f"prefers the {side} answer in {_told(value)} comparisons, where sides are drawn by chance"
    if profile.straight_line_p is not None and profile.straight_line_p < limits.straight_line_p:
        yield (
            f"preferred the same side {profile.straight_line} times in a row, which chance does in "
            f"{_chance(profile.straight_line_p)}"
        )
    slope = profile.length_slope
    if slope and profile.longer and (slope.low > limits.length_slope or slope.high < -limits.length_slope):
        kind, value = ("longer", profile.longer) if slope.value > 0 else ("shorter", _rest(profile.longer))
        yield f"prefers the {kind} answer in {_told(value)} comparisons, beyond what the others say of them"
    for share, what in ((profile.ties, "calls a tie"), (profile.both_bad, "calls both bad")):
        if share and share.low > limits.no_preference:
            yield f"{what} in {_told(share)} comparisons"


def _answers(profile: Profile, limits: Thresholds) -> Iterator[str]:
    if profile.consistent and profile.consistent.high < limits.consistent:
        yield f"says the same of a repeat in only {_told(profile.consistent)}"
    if profile.gold and profile.gold.high < limits.gold:
        yield f"is right in only {_told(profile.gold)} gold items"
    if _failed(profile) >= limits.attention:
        yield f"failed {_failed(profile)} of {_total(profile.attention)} attention checks"
    if profile.accuracy and profile.accuracy.high < limits.accuracy:
        yield f"is right by consensus in only {_told(profile.accuracy)} judgements"


def _pace(profile: Profile, limits: Thresholds) -> Iterator[str]:
    if profile.quick and profile.quick.low > limits.quick:
        yield f"was very quick in {_told(profile.quick)} judgements"
    if profile.fastest_minute >= limits.fastest_minute:
        yield f"made {profile.fastest_minute} judgements within a minute"


def _told(share: Share) -> str:
    return f"{percent(share.value)} [{100 * share.low:.0f}, {100 * share.high:.0f}] of {share.total:,}"


def _rest(share: Share) -> Share:
    return Share(1 - share.value, 1 - share.high, 1 - share.low, share.total)


def _chance(p: float) -> str:
    """A small probability as one in so many."""
    return f"one sitting in {round(1 / p, 1 - len(str(int(1 / p)))):,.0f}" if p > 1e-9 else "less than one of a billion"


def _failed(profile: Profile) -> int:
    return round(profile.attention.value * profile.attention.total) if profile.attention else 0


def _total(share: Share | None) -> int:
    return share.total if share else 0


# --- Leaving out ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ExclusionRule:
    """Who is left out of results. A threshold that is None does not count; any of the others is enough.

    Shares are compared as they are, without interval, from `…_least` judgements on; `str` says the rule.
    """

    gold: float | None = None
    gold_least: int = 10
    attention: int | None = None
    consistent: float | None = None
    consistent_least: int = 10
    median_seconds: float | None = None
    side_p: float | None = None
    accuracy: float | None = None
    accuracy_least: int = 30

    def __str__(self) -> str:
        reasons = list(self._reasons())
        if not reasons:
            return "Nobody is left out."
        listed = reasons[0] if len(reasons) == 1 else f"{', '.join(reasons[:-1])}, or {reasons[-1]}"
        return f"A rater is left out who {listed}."

    def _reasons(self) -> Iterator[str]:
        if self.gold is not None:
            yield f"is right in less than {percent(self.gold)} of at least {self.gold_least} gold items"
        if self.attention is not None:
            yield f"fails {self.attention} or more attention checks"
        if self.consistent is not None:
            yield f"says the same of less than {percent(self.consistent)} of at least {self.consistent_least} repeats"
        if self.median_seconds is not None:
            yield f"takes less than {self.median_seconds:g} seconds for half of the judgements"
        if self.side_p is not None:
            yield f"prefers one side so often that chance would in less than {self.side_p:g} of cases"
        if self.accuracy is not None:
            yield (
                f"is right by the consensus of Dawid and Skene in less than {percent(self.accuracy)} of at least "
                f"{self.accuracy_least} judgements"
            )

    def excludes(self, profile: Profile) -> bool:
        """Whether the rule leaves this rater out."""
        seconds, side_p = profile.median_seconds, profile.side_a_p
        return (
            _below(profile.gold, self.gold, self.gold_least)
            or (self.attention is not None and _failed(profile) >= self.attention)
            or _below(profile.consistent, self.consistent, self.consistent_least)
            or (self.median_seconds is not None and seconds is not None and seconds < self.median_seconds)
            or (self.side_p is not None and side_p is not None and side_p < self.side_p)
            or _below(profile.accuracy, self.accuracy, self.accuracy_least)
        )


def _below(share: Share | None, threshold: float | None, least: int) -> bool:
    return share is not None and threshold is not None and share.total >= least and share.value < threshold


def exclude(profiles: Iterable[Profile], rule: ExclusionRule) -> set[int]:
    """Ids of the raters whom the rule leaves out."""
    return {profile.rater for profile in profiles if profile.rater is not None and rule.excludes(profile)}
