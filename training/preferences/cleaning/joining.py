"""New pairs that join a version: its rows and theirs, as a child version."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from django.db import transaction

from alignapp.accounts.models import User
from training.models import DatasetVersion
from training.preferences import store
from training.preferences.cleaning import diffs
from training.preferences.cleaning.applying import groups_of
from training.preferences.cleaning.making import child_of, partial, publish
from training.preferences.cleaning.state import prompt_places
from training.preferences.records import Pair, check
from training.preferences.sealing import NothingToSeal, SealedWriter
from training.preferences.splits import HELD_OUT, KeptSplit
from training.preferences.versions import Watch


def join(
    parent: DatasetVersion,
    pairs: Iterable[Pair],
    origin: dict[str, Any],
    *,
    user: User | None = None,
    watch: Watch | None = None,
) -> DatasetVersion:
    """A child with the parent's rows, as they are, and the new ones after them; joined before, it is the one there is.

    A new pair whose prompt the parent has goes to the same side; of the other prompts the parent's share is held out.
    Raises RowProblem for a pair no method could use, NothingToSeal when there is none.
    """
    watch = watch or Watch("join")
    with SealedWriter(parent.path.parent, _split(parent), watch.name) as writer:
        for table in groups_of(parent.path):
            writer.add_table(table)
            watch.done(writer.rows)
        first = writer.rows
        for pair in pairs:
            check(pair)
            writer.add(pair)
            watch.done(writer.rows)
        if writer.rows == first:
            raise NothingToSeal("There is no usable pair, so nothing joins the version.")
        sealed = writer.finish()
        diff = diffs.place(sealed.path, parent.sha256)
        with partial(diff, watch.name) as path:
            diffs.write_added(path, first, sealed.rows - first)
            with transaction.atomic():
                said = origin | {"rows_added": sealed.rows - first}
                child, new = child_of(parent, sealed, said, {}, user)
                watch.published(child)
                publish(writer, sealed, path, diff, new=new)
    return child


def _split(parent: DatasetVersion) -> KeptSplit:
    """The sides of the parent's prompts."""
    with store.connection(parent.path) as database:
        store.view(database, parent.path)
        sides = store.columns_of(database, "SELECT split FROM pairs")["split"]
        held_out = np.asarray(sides == HELD_OUT, bool)
        share = min(0.5, round(float(held_out.mean()), 2))
        return KeptSplit(prompt_places(database), held_out, share)
