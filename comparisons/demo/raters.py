"""Simulated raters: they know the world's truth, err at a set rate, and rate through the real pages."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from bs4 import BeautifulSoup

from training.world.gold import judge
from training.world.islands import World
from training.world.phrasing import read_question

from .browser import Browser
from .waiting import StageFailed, Tell

START = "main form.actions"
RATING = "#rating-form"

# Two answers whose true rewards are closer than this are a tie to a person.
NOTICEABLE = 0.05
# A pair of answers both below this is "both bad" half of the time.
BAD = -0.9


@dataclass
class Rater:
    """One simulated person with a name, an error rate and a sequence of chances of their own."""

    world: World
    username: str
    password: str
    error_rate: float
    seed: int
    judged: int = field(default=0)

    def work(self, address: str) -> None:
        """Log in and rate until nothing is left."""
        chance = random.Random(self.seed)
        browser = Browser(address, self.username, self.password)
        try:
            browser.open("/rate/")
            if browser.page.select_one(START):
                browser.send({}, form=START)
            while browser.page.select_one(RATING):
                browser.send({"choice": self.choose(browser.page, chance)}, form=RATING)
                self.judged += 1
        finally:
            browser.close()

    def choose(self, page: BeautifulSoup, chance: random.Random) -> str:
        """The judgement of this person on the item that the page shows, as the form's value."""
        prompt, first, second = (text_of(page, name) for name in ("prompt-title", "answer-a", "answer-b"))
        question = read_question(prompt)
        if question is None:
            raise StageFailed(f"A rater was shown a prompt that is not of the demo world: {prompt!r}")
        one, other = (judge(self.world, question, text).reward for text in (first, second))
        if chance.random() < self.error_rate:
            return chance.choice(["a", "b"])
        if abs(one - other) < NOTICEABLE:
            return "both_bad" if one < BAD and chance.random() < 0.5 else "tie"
        return "a" if one > other else "b"


def text_of(page: BeautifulSoup, label: str) -> str:
    """The text under the heading with this id."""
    text = page.select_one(f'section[aria-labelledby="{label}"] .text')
    return text.get_text().strip() if text else ""


def rate_all(raters: Sequence[Rater], address: str, tell: Tell) -> int:
    """Let all raters work at the same time; returns how many judgements they sent, raises what went wrong first."""
    errors: list[Exception] = []

    def at_work(rater: Rater) -> None:
        try:
            rater.work(address)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=at_work, args=(rater,), name=rater.username) for rater in raters]
    for thread in threads:
        thread.start()
    while alive := [thread for thread in threads if thread.is_alive()]:
        alive[0].join(1)
        tell(f"Rating: {sum(rater.judged for rater in raters)} judgements")
    if errors:
        raise errors[0]
    return sum(rater.judged for rater in raters)
