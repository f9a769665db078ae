"""Who judges which item, and which answer stands on the left.

Everything that gives or returns a place of an item happens under its study's row lock (PostgreSQL) or under
the one write lock (SQLite, IMMEDIATE). So an item never gets more than `ratings_per_item` counted judgements.

leases.py    places of items: given for a while, returned when nobody comes back
giving.py    the item that a person gets next: training, a comparison, a check, or an own item again
sides.py     which answer stands on the left
judging.py   coming back, judging, skipping, taking back
progress.py  how far a person is
sittings.py  how long they have worked without a break
own_work.py  what they may know of their own work
A judgement of a running lease keeps its place, so it locks its assignment alone (`leases.stand_still`).
"""

from .giving import fetch_ahead, free_items, hide, is_admitted, next_assignment, studies_with_work
from .judging import READING_SECONDS, UNDO_TIME, Outcome, last_judgement, next_revision, resume, submit, undo
from .leases import LEASE, expire_leases, held_by
from .own_work import Agreement, Worked, failed_trainings, feedback, gold_agreement, latest_judgements, worked
from .progress import Progress, progress
from .sides import draw_in_block, draw_side
from .sittings import Rest, rest_due

__all__ = [
    "LEASE",
    "READING_SECONDS",
    "UNDO_TIME",
    "Agreement",
    "Outcome",
    "Progress",
    "Rest",
    "Worked",
    "draw_in_block",
    "draw_side",
    "expire_leases",
    "failed_trainings",
    "feedback",
    "fetch_ahead",
    "free_items",
    "gold_agreement",
    "held_by",
    "hide",
    "is_admitted",
    "last_judgement",
    "latest_judgements",
    "next_assignment",
    "next_revision",
    "progress",
    "rest_due",
    "resume",
    "studies_with_work",
    "submit",
    "undo",
    "worked",
]
