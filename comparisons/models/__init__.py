"""Rows of comparisons: one module per noun."""

from .collections import CollectedPrompt, CollectionState, PromptCollection
from .ratings import HELD, Assignment, AssignmentState, Choice, Rating
from .serving import Endpoint, EndpointState, ServedPolicy, ServedState
from .studies import Answer, Contender, Item, Prompt, Stratum, Study, StudyState, Suite

__all__ = [
    "HELD",
    "Answer",
    "Assignment",
    "AssignmentState",
    "Choice",
    "CollectedPrompt",
    "CollectionState",
    "Contender",
    "Endpoint",
    "EndpointState",
    "Item",
    "Prompt",
    "PromptCollection",
    "Rating",
    "ServedPolicy",
    "ServedState",
    "Stratum",
    "Study",
    "StudyState",
    "Suite",
]
