"""Campaigns: rounds of data, runs, study, and data again, with what each round gained.

making.py    a campaign and its first round          steps.py     what is done in a round, once each
gains.py     win rates of a round's policies         picture.py   the gains, drawn
standing.py  where a campaign stands, for its page
"""

from .making import create_campaign
from .steps import CampaignRefused, Stage, launch, make_data, plans_of, resume, stage_of, start_study

__all__ = [
    "CampaignRefused",
    "Stage",
    "create_campaign",
    "launch",
    "make_data",
    "plans_of",
    "resume",
    "stage_of",
    "start_study",
]
