"""Inspections on tiny models: reference checks, implicit rewards, reward models, and one that loves length."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from tests.training.engine.conftest import assistant, colour_rows, events, open_run, save_model, train_here, user
from training.engine.data import load_examples
from training.engine.diagnostics import pair_log_probs
from training.engine.inspected import load_over, score_all
from training.engine.inspection import chosen_pairs
from training.engine.packing import Example
from training.engine.policy import load_policy
from training.engine.run import StopSignal
from training.inspections import words
from training.inspections.summary import Kind, Summary, read_summary

ROWS = colour_rows(40, held_out=16)
FAST = {"best_of_prompts": 2, "best_of": 4, "max_new_tokens": 4, "max_length": 64}

Inspect = Callable[..., Path]


@pytest.fixture
def prepare(make_run) -> Inspect:
    """Makes the RUN_DIR of an inspection: `prepare(policy=folder, rows=pairs, model=…, beta=…)`."""

    def make(
        name: str = "inspection", *, rows: Any = None, policy: Path | str = "", judge: Path | str = "", **fields: Any
    ) -> Path:
        folder: Path = make_run("sft", rows=ROWS if rows is None else rows, name=name, model=fields.pop("model", None))
        spec = json.loads((folder / "config.json").read_text())
        spec |= {"policy_path": str(policy), "reward_model_path": str(judge), "policy_beta": fields.pop("beta", 0.0)}
        spec["config"] = {"method": "inspection", **FAST, **fields}
        (folder / "config.json").write_text(json.dumps(spec))
        return folder

    return make


@pytest.fixture
def inspect(prepare: Inspect) -> Inspect:
    """Inspects in this process and returns RUN_DIR."""

    def run(*arguments: Any, **fields: Any) -> Path:
        folder = prepare(*arguments, **fields)
        assert train_here(folder) == 0, events(folder, "failed")
        return folder

    return run


@pytest.fixture
def refusal(prepare: Inspect) -> Callable[..., str]:
    """The reason for which an inspection failed."""

    def run(**fields: Any) -> str:
        folder = prepare(**fields)
        assert train_here(folder) == 4
        [failed] = events(folder, "failed")
        return str(failed["reason"])

    return run


def summary_of(folder: Path) -> Summary:
    summary = read_summary(folder)
    assert summary is not None
    return summary


def pairs_of(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(folder / "inspection" / "pairs.parquet").to_pylist()
    return found


def log_probs(folder: Path, policy_folder: Path | None = None) -> torch.Tensor:
    """Summed log-probabilities [pairs, 2], held-out pairs first, by the engine's own diagnostics."""
    run = open_run(folder)
    base = load_policy(run.spec.model_path, run.spec.config)
    policy = load_over(base, str(policy_folder), run.spec.config) if policy_folder else base
    examples = load_examples(run, base, paired=True)
    return pair_log_probs(policy, examples.held_out + examples.train, 8192)


def gaps_of(values: torch.Tensor) -> torch.Tensor:
    return values[:, 0] - values[:, 1]


def test_a_reference_check_counts_the_pairs_that_the_base_ranks_wrongly(inspect):
    folder = inspect()
    summary, expected = summary_of(folder), gaps_of(log_probs(folder))
    assert (summary.kind, summary.pairs, summary.held_out) == (Kind.REFERENCE, 40, 16)
    assert summary.accuracy.right == int((expected > 0).sum())
    assert [pair["gap"] for pair in pairs_of(folder)] == pytest.approx(expected.tolist(), abs=1e-3)


def test_a_reference_check_leaves_its_log_probabilities_for_the_run_that_follows(inspect, make_run):
    inspect("check")
    dpo = make_run("dpo", name="dpo", rows=ROWS, max_steps=1)
    assert train_here(dpo) == 0
    assert not [event for event in events(dpo, "stage") if "reference" in event["name"]]


def test_an_inspection_ends_as_one_in_its_result(inspect):
    folder = inspect()
    result = json.loads((folder / "result.json").read_text())
    assert (result["makes"], "digest" in result) == ("inspection", False)
    assert result["metrics"]["inspection/accuracy"] == summary_of(folder).accuracy.value


def test_held_out_pairs_come_first_and_training_pairs_are_spread(inspect):
    """24 training and 16 held-out pairs: the first two training pairs of 18 are rows 0 and 12."""
    run = open_run(inspect())
    examples = load_examples(run, load_policy(run.spec.model_path, run.spec.config), paired=True)
    assert {pair.row for pair in chosen_pairs(examples, 16)} == set(range(24, 40))
    assert [pair.row for pair in chosen_pairs(examples, 18)][16:] == [0, 12]


@pytest.fixture
def adapter(make_run) -> Path:
    """The artifact of a short DPO run."""
    folder = make_run("dpo", name="dpo", rows=ROWS, max_steps=6, learning_rate=1e-2)
    assert train_here(folder) == 0
    return Path(folder) / "artifact"


def test_a_policy_is_inspected_by_its_implicit_reward(inspect, adapter):
    """beta (log pi - log pi_ref), with beta 0.1."""
    folder = inspect(policy=adapter, beta=0.1)
    gain = log_probs(folder, adapter) - log_probs(folder)
    assert summary_of(folder).kind == Kind.POLICY
    found = torch.tensor([[pair["chosen_score"], pair["rejected_score"]] for pair in pairs_of(folder)])
    assert torch.allclose(found, 0.1 * gain, atol=1e-3)


def test_the_scale_of_an_implicit_reward_does_not_change_its_ranking(inspect, adapter):
    first, second = (summary_of(inspect(name, policy=adapter, beta=beta)) for name, beta in (("a", 0.1), ("b", 2.0)))
    assert first.accuracy == second.accuracy
    assert first.calibration.temperature * 20 == pytest.approx(second.calibration.temperature, rel=1e-3)


def test_a_policy_s_own_likelihoods_are_ranked_too(inspect, adapter):
    folder = inspect(policy=adapter, beta=0.1)
    by_policy = summary_of(folder).accuracy_by_policy
    assert by_policy is not None
    assert by_policy.right == int((gaps_of(log_probs(folder, adapter)) > 0).sum())


def test_a_whole_model_is_inspected_against_the_base_it_came_from(inspect, make_run):
    full = make_run("dpo", name="full", rows=ROWS, max_steps=2, tuning="full", learning_rate=1e-3)
    assert train_here(full) == 0
    folder = inspect(policy=full / "artifact", beta=0.1)
    gain = log_probs(folder, full / "artifact") - log_probs(folder)
    assert [p["gap"] for p in pairs_of(folder)] == pytest.approx((0.1 * gaps_of(gain)).tolist(), abs=1e-3)


def test_a_policy_of_another_vocabulary_is_refused_in_a_sentence(refusal, adapter):
    tokenizer = json.loads((adapter / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 5000, "content": "<new>"})
    (adapter / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "vocabulary" in refusal(policy=adapter)


def test_the_best_of_more_samples_never_scores_lower(inspect, adapter):
    curve = summary_of(inspect(policy=adapter, beta=0.1)).best_of
    assert [point.n for point in curve] == [1, 2, 4]
    assert curve[0].score <= curve[1].score <= curve[2].score


# --- Reward models --------------------------------------------------------------------------------------------------


def length_biased(count: int, held_out: int, *, longer_wins: float = 0.9) -> list[dict[str, Any]]:
    """Pairs whose words mean nothing, of which the longer answer is chosen in nine of ten."""
    chance = random.Random(1)
    rows = []
    for i in range(count):
        short, long = chance.randint(2, 6), chance.randint(9, 16)
        answers = [" ".join(chance.choice(["red", "green", "blue", "white"]) for _ in range(n)) for n in (long, short)]
        if chance.random() > longer_wins:
            answers.reverse()
        split = "train" if i < count - held_out else "held_out"
        sides = dict(zip(("chosen", "rejected"), map(assistant, answers), strict=True))
        rows.append({"prompt": user(f"Say something, {i}."), **sides, "split": split})
    return rows


@pytest.fixture
def judge(make_run) -> Callable[..., Path]:
    def make(rows: Any, **config: Any) -> Path:
        folder = make_run("reward", name="judge", rows=rows, max_new_tokens=4, **config)
        assert train_here(folder) == 0, events(folder, "failed")
        return Path(folder) / "artifact"

    return make


def test_a_reward_model_trained_on_length_biased_pairs_is_caught(inspect, judge):
    rows = length_biased(320, 120)
    artifact = judge(rows, max_steps=40, learning_rate=1e-2, batch_size=16)
    summary = summary_of(inspect(rows=rows, judge=artifact))
    assert summary.kind == Kind.REWARD
    assert summary.length.correlation > words.LENGTH_CORRELATION
    assert "It rewards length" in [verdict.title for verdict in words.verdicts(summary)]


def test_a_reward_model_that_ranks_by_content_is_not_accused_of_length(inspect, judge):
    """Both answers have a random length; the chosen one names red, the other blue."""
    chance = random.Random(2)
    rows = [
        {
            "prompt": user(f"Which, {i}?"),
            "chosen": assistant(" ".join(["red"] * chance.randint(2, 12))),
            "rejected": assistant(" ".join(["blue"] * chance.randint(2, 12))),
            "split": "train" if i < 200 else "held_out",
        }
        for i in range(280)
    ]
    artifact = judge(rows, max_steps=40, learning_rate=1e-2, batch_size=16)
    summary = summary_of(inspect(rows=rows, judge=artifact))
    assert summary.accuracy.value > 0.9
    assert not [verdict for verdict in words.verdicts(summary) if "length" in verdict.title]


def test_two_members_show_where_neither_knows(inspect, judge):
    artifact = judge(ROWS, max_steps=2, members=2)
    members = summary_of(inspect(judge=artifact)).disagreement
    assert members is not None
    assert members.differ.total == 40
    assert members.mean_gap > 0


def test_a_reward_model_of_another_base_is_refused(refusal, judge, tmp_path):
    artifact = judge(ROWS, max_steps=1)
    other = save_model(tmp_path / "other", hidden=16)
    assert "another base" in refusal(judge=artifact, model=other)


def test_scores_come_back_in_the_order_of_the_examples(inspect):
    """In passes of at most 256 tokens: answers of 9 and 200, then three of 2, then two of 30 tokens."""
    run = open_run(inspect(tokens_per_pass=256))
    base = load_policy(run.spec.model_path, run.spec.config)
    examples = [Example((5, 6), ((7,) * n,) * k) for n, k in ((9, 1), (200, 1), (2, 3), (30, 2))]
    lengths = score_all(run, base, examples, lambda batch: batch.lengths.float())
    assert lengths.tolist() == [9, 200, 2, 2, 2, 30, 30]


def test_a_version_that_is_all_held_out_can_be_inspected(inspect):
    folder = inspect(rows=[{**row, "split": "held_out"} for row in ROWS])
    assert (summary_of(folder).pairs, summary_of(folder).held_out) == (40, 40)


def test_pairs_that_are_all_cut_to_nothing_are_refused_in_a_sentence(refusal):
    rows = [{**row, "prompt": user("What colour is the house? " * 20)} for row in ROWS]
    assert refusal(rows=rows, max_length=16) == "None of the 40 rows can be ranked: 40 empty after truncation."


def test_a_policy_whose_folder_is_gone_is_refused_in_a_sentence(refusal, tmp_path):
    assert "cannot be read" in refusal(policy=tmp_path / "nowhere")


def test_a_torn_reward_model_is_refused_in_a_sentence(refusal, judge):
    artifact = judge(ROWS, max_steps=1)
    (artifact / "adapter_model.safetensors").write_bytes(b"")
    assert "holds no whole reward model" in refusal(judge=artifact)


def test_an_inspection_that_is_told_to_stop_leaves_nothing_half_done(prepare):
    folder = prepare()
    assert train_here(folder, StopSignal(wanted=True)) == 3
    assert not (folder / "result.json").exists()
    assert train_here(folder) == 0
