"""Rows that say nearly the same as others, found by MinHash bands and verified by their exact Jaccard similarity.

What is compared are the shingles of prompt, chosen and rejected (shingles.py), each marked with the part it stands in:
a pair that is turned round is no copy of itself. Rows that are alike to SIMILAR or more belong to one group, and so do
those that a chain of such rows connects.
"""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from training.preferences.checks.findings import Level, RowNumbers, counted, harms
from training.preferences.checks.shingles import (
    BANDS,
    Hashes,
    Numbers,
    ShingleSets,
    SpilledSets,
    bands_of,
    mixed,
    sets_of,
    shingles_of,
    similarities,
    words_of,
)
from training.preferences.survey import Survey, Texts

SIMILAR = 0.8
NOTABLE = 0.01
"""Share of rows from which copies are worth a warning."""

WINDOW = 32
"""Rows after it that a row is compared with in a bucket. In larger buckets rows that share the next band too stand
together; so a formulaic version of a million rows stays linear, and only there copies may be missed."""

PAIRS_AT_ONCE = 50_000

Keys = np.ndarray[Any, np.dtype[np.uint32]]

CONTENT = """
SELECT hash(prompt_hash, chosen_hash, rejected_hash) AS content, split = 'held_out' AS is_held_out
FROM measures ORDER BY row
"""


def nearly_repeated_rows(survey: Survey) -> None:
    """Rows that nearly repeat others, and those of them that are on both sides of the split."""
    first = first_alike(survey)
    survey.score("duplicate_of", first)
    columns = survey.database.execute(CONTENT).fetchnumpy()
    is_varied = _varied(first, columns["content"])
    _add_copies(survey, first, is_varied)
    _add_crossings(survey, first, columns["is_held_out"].astype(bool))


def first_alike(survey: Survey) -> RowNumbers:
    """For every row the first row of its group; -1 for a row that is like no other."""
    with TemporaryFile(dir=survey.path.parent) as file:
        starts, bands = [np.zeros(1, np.int64)], [np.zeros((0, BANDS), np.uint32)]
        for texts in survey.texts():
            sets = row_sets(texts)
            file.write(sets.shingles.tobytes())
            starts.append(sets.starts[1:] + starts[-1][-1])
            bands.append(bands_of(sets))
        file.flush()
        return first_of_group(SpilledSets(file, np.concatenate(starts)), np.concatenate(bands))


def row_sets(texts: Texts) -> ShingleSets:
    """The shingles of each row, marked by part."""
    count = len(texts.rows)
    owners, _, shingles = shingles_of(words_of([*texts.prompts, *texts.chosen, *texts.rejected]))
    parts = (owners // count).astype(np.uint64)
    return sets_of(owners % count, mixed(shingles + parts), count)


def first_of_group(sets: ShingleSets | SpilledSets, bands: Keys) -> RowNumbers:
    """The groups of alike sets, named by their first member; -1 for a set that is like no other."""
    count = len(sets.sizes)
    labels = np.arange(count)
    for one, other in _candidates(sets, bands):
        is_open = labels[one] != labels[other]
        pairs = np.unique(np.stack([one[is_open], other[is_open]]), axis=1)
        labels = _joined(labels, *_verified(sets, pairs))
    sizes = np.bincount(labels, minlength=count)
    return np.where(sizes[labels] > 1, labels, -1)


def _candidates(sets: ShingleSets | SpilledSets, bands: Keys) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of sets that may be alike: equal ones first, then, among different ones, those that share a band."""
    full = np.flatnonzero(sets.sizes)
    whole = np.zeros(len(full), np.uint64)
    for band in range(bands.shape[1]):
        whole = mixed(whole + bands[full, band])
    _, firsts, places = np.unique(whole, return_index=True, return_inverse=True)
    yield full[firsts][places], full
    different = full[np.sort(firsts)]
    for band in range(bands.shape[1]):
        keys, following = bands[different, band], bands[different, (band + 1) % bands.shape[1]]
        order = np.lexsort((following, keys))
        yield _neighbours(different[order], keys[order])


def _neighbours(rows: Numbers, keys: Keys) -> tuple[Numbers, Numbers]:
    """Each row with the WINDOW rows after it, as far as their key is the same."""
    one, other = [rows[:0]], [rows[:0]]
    for distance in range(1, WINDOW + 1):
        same = np.flatnonzero(keys[:-distance] == keys[distance:])
        if not len(same):
            break
        left, right = rows[same], rows[same + distance]
        one.append(np.minimum(left, right))
        other.append(np.maximum(left, right))
    return np.concatenate(one), np.concatenate(other)


def _verified(sets: ShingleSets | SpilledSets, pairs: Numbers) -> tuple[Numbers, Numbers]:
    """Those of the pairs, [2, pairs], whose exact similarity is SIMILAR or more."""
    kept = [pairs[:, :0]]
    for start in range(0, pairs.shape[1], PAIRS_AT_ONCE):
        part = pairs[:, start : start + PAIRS_AT_ONCE]
        kept.append(part[:, similarities(sets, part[0], part[1]) >= SIMILAR])
    one, other = np.concatenate(kept, axis=1)
    return one, other


def _joined(labels: Numbers, one: Numbers, other: Numbers) -> Numbers:
    """Groups after `one` and `other` were found alike; a group's label is its first member."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(one):
        return labels
    count = len(labels)
    links = coo_matrix((np.ones(len(one), bool), (labels[one], labels[other])), (count, count))
    _, component = connected_components(links, directed=False)
    firsts = np.full(count, count)
    np.minimum.at(firsts, component, np.arange(count))
    joined: Numbers = firsts[component[labels]]
    return joined


def _varied(first: RowNumbers, content: Hashes) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Rows of groups that hold more than exact repeats, which are a finding of their own."""
    differs = (first >= 0) & (content != content[np.maximum(first, 0)])
    return np.isin(first, np.unique(first[differs])) & (first >= 0)


def _add_copies(survey: Survey, first: RowNumbers, is_varied: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    rows = np.flatnonzero(is_varied)
    count, groups = len(rows), len(np.unique(first[rows]))
    if count:
        survey.found.add(
            "near_duplicates",
            f"{counted(count, 'row', 'rows')} in {counted(groups, 'group', 'groups')} say nearly the same: "
            f"{SIMILAR:.0%} or more of the five-word runs of prompt and answers are shared.",
            harms=harms(
                Level.WARNING if (count - groups) / survey.rows > NOTABLE else Level.INFO,
                dpo="What is said often is learnt hardest; copies weigh as much as their number.",
                cpo="Copies weigh as much as their number until they reach the margin.",
                rlhf="The reward model is surest about what was copied, and its held-out accuracy flatters it.",
            ),
            action="Keep one row of each group, unless the copies are votes of several people.",
            threshold=f"Alike from a Jaccard similarity of {SIMILAR} on; a warning when copies beside the first of "
            f"each group exceed {NOTABLE:.0%} of the rows, a heuristic.",
            actions=("merge",),
            count=count,
            total=survey.rows,
            rows=rows,
            groups=first[rows],
        )


def _add_crossings(survey: Survey, first: RowNumbers, is_held_out: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    in_training = np.unique(first[~is_held_out & (first >= 0)])
    rows = np.flatnonzero(is_held_out & np.isin(first, in_training) & (first >= 0))
    count, total = len(rows), int(is_held_out.sum())
    if count:
        flattered = "Held-out accuracy counts rows that were as good as trained on, so it looks better than it is."
        survey.found.add(
            "split_duplicates",
            f"{counted(count, 'held-out row has', 'held-out rows have')} a near copy among the training rows.",
            harms=harms(
                Level.WARNING if count / total > NOTABLE else Level.INFO, dpo=flattered, cpo=flattered, rlhf=flattered
            ),
            action="Split again so that alike prompts stay on one side, or leave these rows out.",
            threshold=f"Alike from a Jaccard similarity of {SIMILAR} on; a warning above {NOTABLE:.0%} of the held-out "
            "rows, a heuristic.",
            actions=("resplit", "drop"),
            count=count,
            total=total,
            rows=rows,
            groups=first[rows],
        )
