"""What a trainer is told of an inspection, its pictures, and what training/inspections may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.factories import make_policy, make_run
from training.inspections import pictures
from training.inspections.summary import BestOf, Dot, Point
from training.models import PolicyKind
from training.runs.supervision import spec_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.django_db
class TestSpecification:
    """Which of the paths of a RunSpec are set says what is looked at."""

    def claimed(self, **fields):
        run = make_run(**fields)
        run.attempt = 1
        return spec_of(run)

    def test_a_reference_check_names_the_model_alone(self):
        base = make_policy()
        spec = self.claimed(method="inspection", base=base, inspected=base)
        assert (spec.model_path, spec.policy_path, spec.reward_model_path) == (base.path, "", "")

    def test_a_policy_is_named_with_the_beta_of_its_run(self):
        run = make_run("dpo", {"beta": 0.3})
        policy = make_policy(PolicyKind.ADAPTER, run.base, run=run)
        spec = self.claimed(method="inspection", base=run.base, inspected=policy)
        assert (spec.model_path, spec.policy_path, spec.policy_beta) == (run.base.path, policy.path, 0.3)

    def test_the_beta_of_an_rlhf_policy_is_that_of_its_kl(self):
        run = make_run("rlhf", {"kl_beta": 0.2})
        policy = make_policy(PolicyKind.ADAPTER, run.base, run=run)
        assert self.claimed(method="inspection", base=run.base, inspected=policy).policy_beta == 0.2

    @pytest.mark.parametrize(
        "method, settings",
        [
            ("simpo", {"beta": 2.0}),
            ("contrastive_cpo", {"beta": 0.1}),
            ("dpo", {"beta": 5.0, "length_normalised": True}),
            ("dpo", {"beta": 0.1, "loss": "ipo"}),
            ("sft", {}),
        ],
    )
    def test_a_beta_that_scales_no_sum_of_log_ratios_is_not_named(self, method, settings):
        """With it the gaps would be taken for log-odds, many times too large, and called badly calibrated."""
        run = make_run(method, settings)
        policy = make_policy(PolicyKind.ADAPTER, run.base, run=run)
        assert self.claimed(method="inspection", base=run.base, inspected=policy).policy_beta == 0

    def test_a_reward_model_is_named_as_one(self):
        base = make_policy()
        judge = make_policy(PolicyKind.REWARD, base)
        spec = self.claimed(method="inspection", base=base, inspected=judge)
        assert (spec.policy_path, spec.reward_model_path, spec.reward_model_digest) == ("", judge.path, judge.digest)

    def test_rlhf_is_told_of_its_reward_model(self):
        base = make_policy()
        judge = make_policy(PolicyKind.REWARD, base)
        assert self.claimed(method="rlhf", base=base, reward_model=judge).reward_model_path == judge.path


def test_ticks_are_round():
    assert pictures.round_values(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert pictures.round_values(-3.0, 41.0) == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_the_diagonal_of_the_reliability_plot_runs_from_a_coin_to_certainty():
    """Accuracy 0.4 to 1 takes 172 pixels from y = 180 up: 0.5 lies a sixth of it, 28.7, higher."""
    picture = pictures.reliability([Point(0.6, 0.55, 0.4, 0.7, 20), Point(0.9, 0.9, 0.8, 0.95, 20)])
    assert picture.reference == "34.0,151.3 312.0,8.0"
    assert [tick.text for tick in picture.x_ticks] == ["50%", "60%", "70%", "80%", "90%", "100%"]


def test_best_of_n_doubles_along_its_axis():
    picture = pictures.best_of([BestOf(n, 0.0, float(n), n - 0.5, n + 0.5) for n in (1, 2, 4)])
    first, second, third = (tick.at for tick in picture.x_ticks)
    assert second - first == pytest.approx(third - second)
    assert [tick.text for tick in picture.x_ticks] == ["1", "2", "4"]


def test_equal_scores_make_a_picture_too():
    picture = pictures.score_against_length([Dot(0, 5, 1.0, True), Dot(0, 5, 1.0, False)])
    assert len(picture.marks) == 2


def test_reading_an_inspection_needs_neither_torch_nor_numpy_nor_django():
    program = (
        "import sys, training.inspections.pairs, training.inspections.pictures, training.inspections.words;"
        "found = [name for name in ('torch', 'transformers', 'django', 'numpy') if name in sys.modules];"
        "sys.exit(', '.join(found) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
