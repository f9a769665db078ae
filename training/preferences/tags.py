"""Words that people put on rows of a version. Tags of the source are part of the sealed rows and are not changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.db.models import Count

from alignapp.accounts.models import User
from training.models import DatasetVersion, PairTag
from training.preferences.names import plain_name

LONGEST_TAG = 40
# Tagging more at once would keep other writers waiting; a filter finds the same rows again at any time.
ROWS_TAGGED_AT_ONCE = 10_000
ROWS_PER_STATEMENT = 500


class BadTag(ValueError):
    """A tag that cannot be put on a row; the message is a sentence."""


def tag_of(text: str) -> str:
    """A tag as it is kept: without spaces around it, single ones within. Raises BadTag."""
    tag = plain_name(text)
    if not tag:
        raise BadTag("A tag needs at least one letter.")
    if len(tag) > LONGEST_TAG:
        raise BadTag(f"A tag has at most {LONGEST_TAG} characters; this one has {len(tag)}.")
    return tag


def put(version: DatasetVersion, rows: Sequence[int], tag: str, user: User | None) -> None:
    """Put a tag on rows; those that have it keep it. Raises BadTag."""
    tag = tag_of(tag)
    _refuse_too_many(rows)
    tags = (PairTag(version=version, row=int(row), tag=tag, created_by=user) for row in rows)
    PairTag.objects.bulk_create(tags, batch_size=ROWS_PER_STATEMENT, ignore_conflicts=True)


def take_off(version: DatasetVersion, rows: Sequence[int], tag: str) -> None:
    """Take a tag off rows. Raises BadTag for too many of them."""
    _refuse_too_many(rows)
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        some = [int(row) for row in rows[start : start + ROWS_PER_STATEMENT]]
        version.pair_tags.filter(tag=plain_name(tag), row__in=some).delete()


def _refuse_too_many(rows: Sequence[int]) -> None:
    if len(rows) > ROWS_TAGGED_AT_ONCE:
        raise BadTag(
            f"At most {ROWS_TAGGED_AT_ONCE:,} rows are tagged at once, and these are {len(rows):,}. Narrow the filter."
        )


def of_rows(version: DatasetVersion, rows: Iterable[int]) -> dict[int, list[str]]:
    """The tags that people put on each of some rows."""
    found: dict[int, list[str]] = defaultdict(list)
    for row, tag in version.pair_tags.filter(row__in=list(rows)).order_by("tag").values_list("row", "tag"):
        found[row].append(tag)
    return found


def used(version: DatasetVersion, most: int = 50) -> list[str]:
    """The tags that people use most on a version."""
    counts = version.pair_tags.order_by().values("tag").annotate(rows=Count("row")).order_by("-rows", "tag")
    return [count["tag"] for count in counts[:most]]
