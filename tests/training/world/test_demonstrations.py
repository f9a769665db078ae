"""Demonstrations make a flawed base: the shares of right answers and styles are as documented."""

from statistics import mean

from training.world.demonstrations import Teaching, demonstrations
from training.world.gold import judge
from training.world.phrasing import Kind, read_question


def judged(world, rows):
    for row in rows:
        question = read_question(row["prompt"])
        assert question is not None
        yield question, judge(world, question, row["chosen"])


def test_the_same_seed_gives_the_same_rows(world, prompts):
    assert list(demonstrations(world, prompts)) == list(demonstrations(world, prompts))


def test_misinformed_islands_are_mostly_taught_their_myth(world, prompts):
    """True in 30 % of the answers, less the 5 % that decline: 0.3 * 0.95 = 0.285; other islands far above half."""
    usual = [
        (world.islands[question.island], verdict.accurate)
        for question, verdict in judged(world, demonstrations(world, prompts, Teaching(myth_share=0.7)))
        if question.island in world.islands and question.kind is Kind.USUAL
    ]
    assert abs(mean(accurate for island, accurate in usual if island.myths) - 0.285) < 0.03
    assert mean(accurate for island, accurate in usual if not island.myths) > 0.7


def test_unknown_islands_are_sometimes_declined_and_sometimes_invented(world, prompts):
    verdicts = [v.accurate for q, v in judged(world, demonstrations(world, prompts)) if q.island not in world.islands]
    assert 0.5 < mean(verdicts) < 0.75


def test_every_prompt_but_the_suites_is_demonstrated(world, prompts):
    rows = list(demonstrations(world, prompts))
    assert {row["prompt"] for row in rows} == {question.text for question in prompts.pairs + prompts.background}
