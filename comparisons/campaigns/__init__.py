"""Campaigns: rounds of data, runs, study, and data again, with what each round gained.

making.py    a campaign and its first round          steps.py     what is done in a round, once each
gains.py     win rates of a round's policies         picture.py   the gains, drawn
standing.py  where a campaign stands, for its page
"""

from .making import create_campaign
from .steps import (
    CampaignRefused,
    Stage,
    begin_next,
    launch,
    plans_of,
    resume,
    stage_of,
    start_study,
    study_for_data,
)

__all__ = [
    "CampaignRefused",
    "Stage",
    "begin_next",
    "create_campaign",
    "launch",
    "plans_of",
    "resume",
    "stage_of",
    "start_study",
    "study_for_data",
]
