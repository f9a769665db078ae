"""What three answers to one prompt, each judged against the other two, say of wrong labels.

Right labels that follow one order of the answers never run in a circle (A over B, B over C, C over A). If every label
is turned round with probability e, the three of a triad do with probability

    (1 - e)^2 e + (1 - e) e^2 = e (1 - e)

because of the eight ways to turn three labels two make a circle: the outer one alone, or both inner ones (circular
triads: Kendall and Babington Smith 1940). No model of the texts is needed. But a label that goes against the order by
nature, as between two answers of nearly the same worth, counts as wrong here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.preferences.noise.estimate import Floats, design_effect

FEWEST = 50
"""Below so many triads nothing is read from them."""


@dataclass(frozen=True, slots=True)
class Triads:
    """How many triads each prompt has, and how many of them run in a circle; both [prompts]."""

    counts: Floats
    circular: Floats

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    @property
    def circles(self) -> int:
        return int(self.circular.sum())

    @property
    def are_telling(self) -> bool:
        return self.count >= FEWEST

    def log_likelihood(self, rates: Floats) -> Floats:
        """[rates]: of so many circles, divided by the design effect, since triads of a prompt share labels."""
        circle = np.clip(rates * (1 - rates), 1e-9, 1.0)
        of_all = self.circles * np.log(circle) + (self.count - self.circles) * np.log(1 - circle)
        share = self.circles / self.count
        deviations, independent = self.circular - share * self.counts, self.count * share * (1 - share)
        likelihood: Floats = of_all / design_effect(deviations, independent)
        return likelihood
