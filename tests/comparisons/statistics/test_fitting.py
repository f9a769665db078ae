"""Maximum likelihood against closed forms and against evalica and statsmodels."""

from __future__ import annotations

import evalica
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from statsmodels.miscmodels.ordinal_model import OrderedModel

from bench.rating.tournaments import Shape, tournament
from comparisons.statistics.strengths.fitting import Comparisons, comparisons_of, counted, fit
from comparisons.statistics.strengths.models import Model, terms
from comparisons.statistics.votes import Votes

FIVE = Shape(strengths=(0.8, 0.3, 0.0, -0.4, -0.7), prompts=80, per_item=3)
WINNERS = {1.0: evalica.Winner.X, 0.0: evalica.Winner.Y, 0.5: evalica.Winner.Draw}


def rows_of(*rows, policies=2):
    left, right, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    return Comparisons(left, right, score.astype(float), weight.astype(float), policies)


def centred(values):
    return values - np.mean(values)


def told(votes: Votes):
    return votes.left.tolist(), votes.right.tolist(), [WINNERS[score] for score in votes.score]


def test_two_policies_differ_by_the_log_odds_of_their_rate():
    """30 wins, 10 losses: θ0 - θ1 = ln 3; centred, ±ln(3) / 2. Information n p q = 40 · 3/16 = 7.5."""
    found = fit(rows_of((0, 1, 1, 30), (0, 1, 0, 10)), Model.HALVES)
    assert found.parameters == pytest.approx([np.log(3) / 2, -np.log(3) / 2])
    assert found.information == pytest.approx(7.5 * np.array([[1, -1], [-1, 1]]))


def test_davidson_of_two_policies_in_closed_form():
    """24 wins, 6 losses, 12 ties: π0 / π1 = 24 / 6 = 4; ν = ties / sqrt(wins · losses) = 12 / 12 = 1, so η = 0."""
    found = fit(rows_of((0, 1, 1, 24), (0, 1, 0, 6), (1, 0, 0.5, 12)), Model.DAVIDSON)
    assert found.parameters == pytest.approx([np.log(4) / 2, -np.log(4) / 2, 0.0], abs=1e-9)


def test_rao_kupper_of_two_policies_in_closed_form():
    """P(win) = 1/2 and P(loss) = 1/4 seen: σ(d - η) = 1/2, so d = η; σ(-2η) = 1/4, so η = ln(3) / 2."""
    found = fit(rows_of((0, 1, 1, 20), (0, 1, 0, 10), (0, 1, 0.5, 10)), Model.RAO_KUPPER)
    eta = np.log(3) / 2
    assert found.parameters == pytest.approx([eta / 2, -eta / 2, eta])


def test_ties_as_halves_count_half_a_win_for_each_side():
    """20 wins, 20 ties, no loss is 30 : 10 in half wins: ln 3."""
    found = fit(rows_of((0, 1, 1, 20), (1, 0, 0.5, 20)), Model.HALVES)
    assert found.parameters[0] - found.parameters[1] == pytest.approx(np.log(3))


def test_davidson_is_newmans_model_in_evalica():
    """Newman's ties weigh 2ν sqrt(πi πj), so his ν is e^η / 2."""
    votes = tournament(FIVE, seed=1)
    theirs = evalica.newman(*told(votes), tolerance=1e-12, limit=10_000)
    ours = fit(counted(votes), Model.DAVIDSON)
    assert ours.parameters[:5] == pytest.approx(centred(np.log(theirs.scores.sort_index())), abs=1e-6)
    assert np.exp(ours.tie) / 2 == pytest.approx(theirs.v, rel=1e-6)


def test_halves_are_evalicas_bradley_terry():
    votes = tournament(FIVE, seed=2)
    theirs = evalica.bradley_terry(*told(votes), tolerance=1e-12, limit=10_000)
    ours = fit(counted(votes), Model.HALVES)
    assert ours.parameters == pytest.approx(centred(np.log(theirs.scores.sort_index())), abs=1e-6)


def test_weights_are_those_of_evalica():
    votes = tournament(FIVE, seed=3)
    weight = np.random.default_rng(3).uniform(0.5, 2, len(votes))
    theirs = evalica.newman(*told(votes), weights=weight.tolist(), tolerance=1e-12, limit=10_000)
    weighed = Votes(votes.left, votes.right, votes.score, votes.rater, votes.prompt, 5, weight=weight)
    ours = fit(counted(weighed), Model.DAVIDSON).parameters
    assert ours[:5] == pytest.approx(centred(np.log(theirs.scores.sort_index())), abs=1e-6)


def test_davidson_is_a_log_linear_model_in_statsmodels():
    """Counts of a pair's three outcomes are Poisson with a nuisance parameter for the pair (Fienberg & Larntz 1976);
    information on strengths and η is the same."""
    votes = tournament(FIVE, seed=4)
    rows = counted(votes)
    pairs: dict[tuple[int, int], np.ndarray] = {}
    for left, right, score, weight in zip(rows.left, rows.right, rows.score, rows.weight, strict=True):
        key, mirrored = (min(left, right), max(left, right)), left > right
        pairs.setdefault(key, np.zeros(3))[int(2 * (1 - score if mirrored else score))] += weight
    design, counts = [], []
    for number, ((left, right), outcome) in enumerate(sorted(pairs.items())):
        for place, share in enumerate((-0.5, 0.0, 0.5)):
            line = np.zeros(5 + 1 + len(pairs))
            line[left], line[right], line[5], line[6 + number] = share, -share, place == 1, 1
            design.append(line[1:])  # the first strength is 0
            counts.append(outcome[place])
    theirs = sm.GLM(np.array(counts), np.array(design), family=sm.families.Poisson()).fit(tol=1e-12)
    ours = fit(rows, Model.DAVIDSON)
    assert ours.parameters[:5] == pytest.approx(centred([0, *theirs.params[:4]]), abs=1e-6)
    assert ours.tie == pytest.approx(theirs.params[4], abs=1e-6)
    gap = np.array([0, 1.0, -1.0, 0, 0, 0])
    variance = theirs.cov_params()
    assert gap @ ours.inverse @ gap == pytest.approx(variance[0, 0] + variance[1, 1] - 2 * variance[0, 1], rel=1e-5)


def test_rao_kupper_is_an_ordered_logit_in_statsmodels():
    """Every vote twice, once from each side, makes the two thresholds mirror each other: ±η."""
    votes = tournament(FIVE, seed=5)
    design = np.zeros((len(votes), 5))
    design[np.arange(len(votes)), votes.left] = 1
    design[np.arange(len(votes)), votes.right] = -1
    twice = np.vstack([design, -design])[:, 1:]
    outcome = (2 * np.concatenate([votes.score, 1 - votes.score])).astype(int)
    theirs = OrderedModel(outcome, twice, distr="logit").fit(method="bfgs", disp=False, gtol=1e-8)
    ours = fit(counted(votes), Model.RAO_KUPPER)
    assert ours.parameters[:5] == pytest.approx(centred([0, *theirs.params[:4]]), abs=1e-4)
    assert ours.tie == pytest.approx(-theirs.params[4], abs=1e-4)


def test_features_with_a_penalty_match_scipy():
    votes = tournament(FIVE, seed=6)
    features = np.random.default_rng(6).standard_normal((len(votes), 2))
    rows, ridge = comparisons_of(votes, features), np.array([0, 0, 0, 0, 0, 3.0, 3.0, 0])
    ours = fit(rows, Model.DAVIDSON, ridge)

    def loss(at):
        return -terms(Model.DAVIDSON, rows.margin(at), at[-1], rows.score).value.sum() + ridge @ at**2 / 2

    theirs = minimize(loss, np.zeros(8), method="BFGS", options={"gtol": 1e-6}).x
    theirs[:5] = centred(theirs[:5])
    assert ours.parameters == pytest.approx(theirs, abs=1e-5)


def test_counting_votes_changes_no_estimate():
    votes = tournament(FIVE, seed=7)
    assert len(counted(votes).left) <= 60
    one, each = (fit(rows, Model.DAVIDSON) for rows in (counted(votes), comparisons_of(votes)))
    assert one.parameters == pytest.approx(each.parameters, abs=1e-8)
    assert one.information == pytest.approx(each.information, rel=1e-8)
