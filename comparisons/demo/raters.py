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
# Pages between items: the guideline (once per version), and the feedback on a training item.
BETWEEN = "main:not(:has(#rating-form)) form:has([data-key=Enter])"

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
            while browser.page.select_one(f"{RATING}, {BETWEEN}"):
                if browser.page.select_one(BETWEEN):
                    browser.send({}, form=BETWEEN)
                else:
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
        better = "a" if one > other else "b"
        if chance.random() < self.error_rate:
            return offered(page, chance.choice(["a", "b"]))
        if abs(one - other) >= NOTICEABLE:
            return offered(page, better)
        both_bad = one < BAD and chance.random() < 0.5
        return offered(page, *(["both_bad"] if both_bad else []), "tie", better)


def offered(page: BeautifulSoup, *choices: str) -> str:
    """The first of the choices that the page offers; of several strengths the middle one."""
    for choice in choices:
        buttons = [str(button["value"]) for button in page.select(f'{RATING} [data-side="{choice}"]')]
        if buttons:
            return buttons[len(buttons) // 2]
    raise StageFailed(f"The page offers none of {', '.join(choices)}.")


def text_of(page: BeautifulSoup, label: str) -> str:
    """The text under the heading with this id, as it was written."""
    text = page.select_one(f'section[aria-labelledby="{label}"] .text.plain')
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
