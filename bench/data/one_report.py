"""`python -m bench.data.one_report FOLDER PAIRS`: seal generated pairs, report on them, print seconds and peak memory.

Texts are of words drawn by Zipf's law, a third of them from one of 40 topics: about 150 characters a prompt and 400 an
answer. The better answer holds more of the topic's words; a tenth of the labels are turned round; five annotators.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from training.preferences.records import Message, Pair
from training.preferences.report import report_on
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.preferences.survey import ReportSettings

WORDS, TOPICS, WORDS_OF_TOPIC = 20_000, 40, 60
AT_ONCE = 10_000
PROMPTS = 2_000
"""Prompts of the target and of the evaluation set, each."""

Numbers = np.ndarray[Any, Any]


class Writer:
    """Draws texts about topics."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        letters = np.array(list("abcdefghijklmnoprstuvwz"))
        lengths = np.random.default_rng(0).integers(3, 10, WORDS)
        names = np.random.default_rng(1)
        self.words = np.array(["".join(names.choice(letters, length)) for length in lengths], dtype=object)
        shares = 1 / np.arange(1, WORDS + 1)
        self.cumulated = np.cumsum(shares / shares.sum())

    def text(self, topic: int, words: int, about: float) -> str:
        """`words` words, of which the share `about` belongs to the topic."""
        drawn = np.searchsorted(self.cumulated, self.random.random(words)).clip(max=WORDS - 1)
        chosen = self.random.random(words) < about
        drawn[chosen] = WORDS - 1 - topic * WORDS_OF_TOPIC - self.random.integers(0, WORDS_OF_TOPIC, chosen.sum())
        return " ".join(self.words[drawn])

    def prompt(self, topic: int) -> str:
        return self.text(topic, 22, 0.35)


def pairs(count: int, seed: int = 0) -> Iterator[Pair]:
    """Pairs as the module says, streamed."""
    writer = Writer(seed)
    for number in range(count):
        topic = int(writer.random.integers(0, TOPICS))
        lengths = writer.random.integers(40, 75, 2)
        answers = [writer.text(topic, int(lengths[0]), 0.4), writer.text(topic, int(lengths[1]), 0.25)]
        if writer.random.random() < 0.1:
            answers.reverse()
        chosen, rejected = ((Message("assistant", answer),) for answer in answers)
        annotator, position = f"rater {number % 5}", 1 + int(writer.random.random() < 0.5)
        prompt = (Message("user", writer.prompt(topic)),)
        yield Pair(prompt, chosen, rejected, annotator=annotator, position=position, line=number + 1)


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    sealed = seal_pairs(pairs(count), folder, PromptSplit())
    writer = Writer(seed=1)
    sets = [[writer.prompt(number % TOPICS) for number in range(PROMPTS)] for _ in range(2)]
    settings = ReportSettings(target="sample:target", evaluation=("suite:evaluation",))
    began = time.perf_counter()
    report = report_on(
        sealed.path,
        settings,
        targets={"sample:target": sets[0]},
        evaluations={"suite:evaluation": sets[1]},
        progress=lambda stage: print(f"{time.perf_counter() - began:7.1f} s  {stage}", flush=True),
    )
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak, "findings": len(report.findings)}))


if __name__ == "__main__":
    main()
