"""Rows of comparisons: one module per noun."""

from .adjudications import Adjudication
from .append_only import AppendOnly
from .audit import AuditEntry
from .campaigns import Campaign, Round
from .checks import ExpectedJudgement, Verdict
from .collections import CollectedPrompt, CollectionState, PromptCollection
from .conversations import Conversation, Turn, TurnState
from .pools import RaterPool
from .ratings import HELD, Assignment, AssignmentState, Choice, GuidelineReading, Rating
from .sealing import SealingJob
from .serving import Endpoint, EndpointState, ServedPolicy, ServedState
from .studies import (
    BY_HAND,
    Answer,
    Contender,
    Guideline,
    Item,
    ItemKind,
    Prompt,
    Stratum,
    Study,
    StudyKind,
    StudyState,
    Suite,
)
from .sureness import SurenessJob

__all__ = [
    "BY_HAND",
    "HELD",
    "Adjudication",
    "Answer",
    "AppendOnly",
    "Assignment",
    "AssignmentState",
    "AuditEntry",
    "Campaign",
    "Choice",
    "CollectedPrompt",
    "CollectionState",
    "Contender",
    "Conversation",
    "Endpoint",
    "EndpointState",
    "ExpectedJudgement",
    "Guideline",
    "GuidelineReading",
    "Item",
    "ItemKind",
    "Prompt",
    "PromptCollection",
    "RaterPool",
    "Rating",
    "Round",
    "SealingJob",
    "ServedPolicy",
    "ServedState",
    "Stratum",
    "Study",
    "StudyKind",
    "StudyState",
    "Suite",
    "SurenessJob",
    "Turn",
    "TurnState",
    "Verdict",
]
