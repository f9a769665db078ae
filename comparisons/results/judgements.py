"""Counted judgements of a study as columns, and the part of them that somebody looks at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from django.db.models import F, Q, QuerySet

from comparisons.models import Choice, Contender, Rating, Stratum, Study
from comparisons.statistics.aggregation.labels import Labels
from comparisons.statistics.strengths.models import Model
from comparisons.statistics.votes import Bools, Floats, Ints, Votes

from .pools import Pool

STRATA = tuple(Stratum.values)


class Said(IntEnum):
    """What a judgement says of the answers on sides A and B."""

    A = 0
    B = 1
    TIE = 2
    BOTH_BAD = 3


SAID = {Choice[said.name].value: said for said in Said}
SCORES = np.array([1.0, 0.0, 0.5, np.nan])  # of side A, by Said


@dataclass(frozen=True, slots=True)
class Look:
    """What part of a study is looked at, and how ties are taken; `pool` is None for everybody."""

    stratum: str = ""
    pool: Pool | None = None
    model: Model | None = None
    excluded: frozenset[int] = frozenset()

    @property
    def is_whole(self) -> bool:
        return not self.stratum and self.pool is None


EVERYTHING = Look()


@dataclass(frozen=True, slots=True)
class Judgements:
    """Columns (n,), in the order in which the judgements came.

    `a`, `b`: places, in the study's order, of the contenders on the left and on the right; `said`: Said; `stratum`: a
    place in STRATA; `propensity`: the chance with which the item's pair was drawn; `at`: seconds since 1970.
    """

    item: Ints
    prompt: Ints
    rater: Ints
    stratum: Ints
    a: Ints
    b: Ints
    said: Ints
    seconds: Floats
    propensity: Floats
    at: Floats

    def __len__(self) -> int:
        return len(self.item)

    def where(self, chosen: Bools) -> Judgements:
        return Judgements(*(getattr(self, column.name)[chosen] for column in fields(self)))

    def without(self, raters: Collection[int]) -> Judgements:
        """Those of everybody else."""
        return self.where(~np.isin(self.rater, list(raters))) if raters else self

    @property
    def preferred(self) -> Ints:
        """What was said whatever the sides: the place of the preferred contender, -1 for a tie, -2 for both bad."""
        cases = [self.said == Said.A, self.said == Said.B, self.said == Said.TIE]
        preferred: Ints = np.select(cases, [self.a, self.b, np.full_like(self.a, -1)], -2)
        return preferred

    @property
    def pair(self) -> Ints:
        """A number for the two contenders, whatever the sides."""
        pair: Ints = np.minimum(self.a, self.b) * 1000 + np.maximum(self.a, self.b)
        return pair

    def count(self, *said: Said) -> int:
        return int(np.isin(self.said, said).sum())

    def votes(self, policies: int) -> Votes:
        """Those that prefer an answer or call a tie; both-bad judgements are no votes.

        Weighted by how seldom their pair was drawn, where pairs were not drawn alike.
        """
        cast = self.where(self.said != Said.BOTH_BAD)
        alike = not len(cast) or np.ptp(cast.propensity) < 1e-9
        return Votes(
            left=cast.a,
            right=cast.b,
            score=SCORES[cast.said],
            rater=cast.rater,
            prompt=cast.prompt,
            policies=policies,
            weight=None if alike else 1 / cast.propensity,
        )


def judgements_of(study: Study, look: Look = EVERYTHING) -> Judgements:
    """The counted judgements that somebody looks at, without those of excluded raters."""
    contenders = list(study.contenders.values_list("pk", flat=True))
    return judgements_in(Rating.objects.counted().filter(asked(study, look)).order_by("id"), contenders)


def asked(study: Study, look: Look) -> Q:
    """The study's ratings that somebody looks at, whatever their state."""
    found = Q(assignment__item__study=study)
    found &= Q(assignment__item__prompt__suite__stratum=look.stratum) if look.stratum else Q()
    found &= Q(assignment__rater__in=look.pool.members) if look.pool else Q()
    return found & ~Q(assignment__rater__in=look.excluded) if look.excluded else found


def own_runs() -> Q:
    """Ratings of an answer of a run that the rater launched."""
    launchers = (f"assignment__item__{answer}__contender__policy__run__created_by" for answer in ("first", "second"))
    first, second = (Q((launcher, F("assignment__rater"))) for launcher in launchers)
    return first | second


def of_own_runs(study: Study, look: Look = EVERYTHING) -> int:
    """How many counted judgements are of an answer of a run that their rater launched."""
    return Rating.objects.counted().filter(asked(study, look), own_runs()).count()


def judgements_in(ratings: QuerySet[Rating], contenders: Sequence[int] | None = None) -> Judgements:
    """Ratings of comparisons as columns; places are in `contenders`, or in the order of their ids."""
    columns = ratings.values_list(
        "assignment__item__first__contender",
        "assignment__item__second__contender",
        "assignment__first_is_a",
        "choice",
        "assignment__item__prompt__suite__stratum",
        "assignment__item",
        "assignment__item__prompt",
        "assignment__rater",
        "seconds",
        "assignment__item__propensity",
        "created_at",
    )
    rows = list(columns.iterator())
    known = contenders if contenders is not None else sorted({one for row in rows for one in row[:2]})
    place = {contender: number for number, contender in enumerate(known)}
    first = np.array([place[row[0]] for row in rows], dtype=np.int64)
    second = np.array([place[row[1]] for row in rows], dtype=np.int64)
    first_is_a = np.array([row[2] for row in rows], dtype=bool)
    return Judgements(
        item=np.array([row[5] for row in rows], dtype=np.int64),
        prompt=np.array([row[6] for row in rows], dtype=np.int64),
        rater=np.array([row[7] for row in rows], dtype=np.int64),
        stratum=np.array([STRATA.index(row[4]) for row in rows], dtype=np.int64),
        a=np.where(first_is_a, first, second),
        b=np.where(first_is_a, second, first),
        said=np.array([SAID[row[3]] for row in rows], dtype=np.int64),
        seconds=np.array([row[8] for row in rows], dtype=np.float64),
        propensity=np.array([row[9] for row in rows], dtype=np.float64),
        at=np.array([row[10].timestamp() for row in rows], dtype=np.float64),
    )


def labels_of(judgements: Judgements) -> Labels:
    """What was said with the contender that comes first in the study as answer 0, whatever the sides."""
    return Labels.of(judgements.item, judgements.rater, _by_place(judgements), len(Said))


def _by_place(judgements: Judgements) -> Ints:
    turned = judgements.a > judgements.b
    swapped = np.where(judgements.said == Said.A, Said.B, Said.A)
    prefers = judgements.said <= Said.B
    label: Ints = np.where(turned & prefers, swapped, judgements.said)
    return label


def names_of(contenders: Sequence[Contender]) -> list[str]:
    """What policies are called in sentences."""
    return [contender.policy.name for contender in contenders]
