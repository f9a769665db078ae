"""What is going wrong in a run, said in words: measures with their meaning, and rules that raise alarms.

curves.py     the series that rules look at                    alarms.py     what a rule says: cause, evidence, remedies
catalogue.py  every measure: definition, formula, threshold    thresholds.py the numbers, each with where it comes from
pairs.py      rules on held-out pairs                          samples.py    rules on the policy's own answers
reward.py     rules on reward models                           rollouts.py   rules on reinforcement learning
evidence.py   the pairs and answers behind an alarm            texts.py      measures of style

Neither Django nor torch: the engine measures with texts.py, the run page and the workers judge with the rest. A rule is
a pure function of the curves of a run and its configuration; it returns one alarm or None.
"""

from __future__ import annotations

from training.config import RunConfig
from training.diagnosis.alarms import Alarm
from training.diagnosis.curves import Curves, Series
from training.diagnosis.pairs import RULES as PAIR_RULES
from training.diagnosis.reward import RULES as REWARD_RULES
from training.diagnosis.rollouts import RULES as ROLLOUT_RULES
from training.diagnosis.samples import RULES as SAMPLE_RULES

RULES = (*PAIR_RULES, *SAMPLE_RULES, *REWARD_RULES, *ROLLOUT_RULES)

__all__ = ["RULES", "Alarm", "Curves", "Series", "alarms"]


def alarms(series: Series, config: RunConfig) -> list[Alarm]:
    """The alarms that are open after the last values of these series, the gravest first."""
    curves = Curves(series)
    found = [alarm for rule in RULES if (alarm := rule(curves, config)) is not None]
    return sorted(found, key=lambda alarm: alarm.level != "error")
