"""Rows of comparisons: one module per noun."""

from .ratings import HELD, Assignment, AssignmentState, Choice, Rating
from .serving import Endpoint, EndpointState, ServedPolicy, ServedState
from .studies import Answer, Contender, Item, Prompt, Stratum, Study, StudyState, Suite

__all__ = [
    "HELD",
    "Answer",
    "Assignment",
    "AssignmentState",
    "Choice",
    "Contender",
    "Endpoint",
    "EndpointState",
    "Item",
    "Prompt",
    "Rating",
    "ServedPolicy",
    "ServedState",
    "Stratum",
    "Study",
    "StudyState",
    "Suite",
]
