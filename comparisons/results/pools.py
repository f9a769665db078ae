"""Pools of raters as results compare them: as they were when the study was closed, so that old results do not move.

What pools share, such as a language, joins them to further groups. Groups may overlap; where two are compared, raters
who are in both, or in none, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from comparisons.models import RaterPool, Study
from comparisons.statistics.votes import Ints


@dataclass(frozen=True, slots=True)
class Pool:
    """People who are told apart: the members of a pool, or of all pools that share the value of an `attribute`."""

    slug: str
    name: str
    members: frozenset[int]
    attribute: str = ""


def pools_of(study: Study) -> list[Pool]:
    """Pools of the study, or all pools where it asked everybody; then what several of them share."""
    rows = study.pools_at_close if study.pools_at_close is not None else as_they_are(study)
    pools = [Pool(row["slug"], row["name"], frozenset(row["members"])) for row in rows]
    return [*pools, *_shared(rows)]


def as_they_are(study: Study) -> list[dict[str, Any]]:
    """Pools as rows to be kept with a study: slug, name, attributes, ids of their members."""
    pools = study.pools.all() if study.pools.exists() else RaterPool.objects.all()
    return [
        {
            "slug": pool.slug,
            "name": pool.name,
            "attributes": pool.attributes,
            "members": sorted(member.pk for member in pool.members.all()),
        }
        for pool in pools.prefetch_related("members")
    ]


def _shared(rows: Sequence[Mapping[str, Any]]) -> Iterable[Pool]:
    """What pools share, of attributes that tell pools apart and of which a value belongs to several pools."""
    for key in sorted(set(chain.from_iterable(row["attributes"] for row in rows))):
        having = [row for row in rows if key in row["attributes"]]
        values = sorted({row["attributes"][key] for row in having})
        if not 1 < len(values) < len(having):
            continue
        for value in values:
            members = chain.from_iterable(row["members"] for row in having if row["attributes"][key] == value)
            yield Pool(f"{key}:{value}", f"{key}: {value}", frozenset(members), attribute=key)


def partitions(pools: Sequence[Pool]) -> list[list[Pool]]:
    """Pools that can be compared with each other: pools themselves, and the values of each attribute."""
    kinds = sorted({pool.attribute for pool in pools})
    parts = ([pool for pool in pools if pool.attribute == kind] for kind in kinds)
    return [part for part in parts if len(part) > 1]


def only_pool(rater: Ints, pools: Sequence[Pool]) -> Ints:
    """(n,): the place of the only one of the pools that each rater is in; -1 for several or none."""
    inside = np.array([np.isin(rater, list(pool.members)) for pool in pools])
    place: Ints = np.where(inside.sum(axis=0) == 1, inside.argmax(axis=0), -1)
    return place
