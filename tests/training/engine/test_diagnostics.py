"""The numbers on the run page, against four pairs worked out by hand."""

from __future__ import annotations

import pytest
import torch

from tests.training.engine.conftest import example
from training.config import DPOConfig
from training.engine.diagnostics import contradicted_share, pair_diagnostics, pair_log_probs
from training.engine.packing import Batch, Example, pack
from training.engine.policy import load_policy

# chosen, rejected                 delta_ref   delta_theta
REFERENCE = torch.tensor([[-4.0, -2.0], [-3.0, -1.0], [-2.0, -5.0], [-1.0, -2.0]])  # -2, -2, 3, 1
POLICY = torch.tensor([[-3.0, -2.0], [-2.0, -4.0], [-4.0, -5.0], [-5.0, -2.0]])  # -1, 2, 1, -3
LENGTHS = torch.tensor([[4, 2], [1, 2], [4, 2], [2, 2]])


@pytest.mark.parametrize(
    "name, expected",
    [
        ("ranking_accuracy", 2 / 4),  # pairs 2 and 3
        ("ranking_accuracy_per_token", 2 / 4),  # means -3/4 > -1, -2 = -2, -1 > -5/2, -5/2 < -1: pairs 1 and 3
        ("reference_ranking_accuracy", 2 / 4),  # pairs 3 and 4
        ("reference_ranking_accuracy_per_token", 2 / 4),  # -1 = -1, -3 < -1/2, -1/2 > -5/2, -1/2 > -1
        ("implicit_reward_accuracy", 2 / 4),  # delta_theta > delta_ref in pairs 1 and 2
        ("margin", (-1 + 2 + 1 - 3) / 4),
        ("margin_gain", (1 + 4 - 2 - 4) / 4),
        ("undesirable_share", 1 / 4),  # pair 1: -2 < -1 < 0
        ("pessimistic_share", 2 / 4),  # pairs 1 and 2
        ("contradicted_share", 1 / 2),  # gains 1, 4, -2, -4: the surest two are +4 and -4
        ("chosen_displacement", (1 + 1 - 2 - 4) / 4),
        ("rejected_displacement", (0 - 3 + 0 + 0) / 4),
        ("chosen_displacement_per_token", (1 / 4 + 1 / 1 - 2 / 4 - 4 / 2) / 4),
        ("rejected_displacement_per_token", (0 - 3 / 2 + 0 + 0) / 4),
    ],
)
def test_diagnostic(name, expected):
    assert pair_diagnostics(POLICY, REFERENCE, LENGTHS)[f"held_out/{name}"] == pytest.approx(expected)


def test_rounding_alone_puts_no_pair_into_the_undesirable_region():
    values = pair_diagnostics(REFERENCE + torch.tensor([1e-4, 0.0]), REFERENCE, LENGTHS)
    assert values["held_out/undesirable_share"] == 0


def test_without_held_out_pairs_there_is_nothing_to_say():
    assert pair_diagnostics(torch.empty(0, 2), torch.empty(0, 2), torch.empty(0, 2)) == {}


def test_flipped_labels_are_contradicted_where_the_policy_is_sure_and_hard_pairs_are_not():
    """Ten pairs: gains of +-3 with 2 of 5 flipped, and five small ones: 2/5. All small ones wrong, large right: 0."""
    sure, unsure = torch.tensor([3.0, 3, 3, -3, -3]), torch.tensor([0.1, -0.1, 0.1, -0.1, -0.1])
    assert contradicted_share(torch.cat([sure, unsure])) == pytest.approx(2 / 5)
    assert contradicted_share(torch.cat([sure.abs(), unsure])) == 0


def test_plain_batches_are_counted_as_they_are_laid_out(model_folder, monkeypatch):
    """Prompt 10, answers 6 and 6: 22 tokens packed and 2 * 16 = 32 plain. In passes of 70, two pairs, not three."""
    policy = load_policy(str(model_folder), DPOConfig())
    policy.packed = False
    seen: list[int] = []

    def counted(pairs: list[Example]) -> Batch:
        seen.append(len(pairs))
        return pack(pairs, packed=False)

    monkeypatch.setattr(policy, "collate", counted)
    assert pair_log_probs(policy, [example(10, 6, 6) for _ in range(6)], 70).shape == (6, 2)
    assert seen == [2, 2, 2]
