"""Who judges which item, and which answer stands on the left.

Everything that gives, returns or fills a place of an item happens under its study's row lock (PostgreSQL) or under
the one write lock (SQLite, IMMEDIATE). So an item never gets more than `ratings_per_item` counted judgements.

leases.py    places of items: given for a while, returned when nobody comes back
giving.py    the item that a person gets next: training, a comparison, a check, or an own item again
sides.py     which answer stands on the left
judging.py   coming back, judging, skipping, taking back
progress.py  how far a person is
"""

from .giving import fetch_ahead, free_items, is_admitted, next_assignment, studies_with_work
from .judging import READING_SECONDS, UNDO_TIME, Outcome, last_judgement, next_revision, resume, submit, undo
from .leases import LEASE, expire_leases, held_by
from .progress import Progress, progress
from .sides import draw_in_block, draw_side

__all__ = [
    "LEASE",
    "READING_SECONDS",
    "UNDO_TIME",
    "Outcome",
    "Progress",
    "draw_in_block",
    "draw_side",
    "expire_leases",
    "fetch_ahead",
    "free_items",
    "held_by",
    "is_admitted",
    "last_judgement",
    "next_assignment",
    "next_revision",
    "progress",
    "resume",
    "studies_with_work",
    "submit",
    "undo",
]
