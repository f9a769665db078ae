"""What an inspection looks at, as something that scores answers: a reference, a policy over it, or a reward model.

| names in the specification | score of an answer                        | log-odds of a pair          |
|----------------------------|-------------------------------------------|-----------------------------|
| the model alone            | log pi_ref(y|x)                           | the gap                     |
| and a policy               | beta (log pi(y|x) - log pi_ref(y|x))      | the gap                     |
| and a reward model         | calibrated reward, in deviations          | gap * scale / temperature   |

The policy's beta is that of its run; 1 where it has none. It does not matter for the ranking of answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoTokenizer

from training.config import RunConfig
from training.engine.errors import EngineError
from training.engine.logprobs import answer_log_probs
from training.engine.packing import Batch, Example
from training.engine.policy import Policy, frozen_copy, load_policy
from training.engine.reference import reference_log_probs
from training.engine.reward_artifacts import RewardModel, load_reward_model
from training.engine.run import Run
from training.inspections.summary import Kind

STAGE = "scoring the pairs"


@dataclass(frozen=True)
class PairScores:
    """Scores of n pairs [n, 2], chosen first, and what only some kinds have, else None."""

    scores: Tensor
    gap_per_token: Tensor | None = None  # [n] by mean log-probabilities or log-ratios
    policy_gap: Tensor | None = None  # [n] of the policy's own likelihoods
    members: Tensor | None = None  # [members, n, 2] by every reward model of an ensemble

    @property
    def gaps(self) -> tuple[Tensor | None, Tensor | None]:
        return self.gap_per_token, self.policy_gap


@dataclass(frozen=True)
class Subject:
    """What is looked at: the scores of the pairs, and how any other answers are scored."""

    kind: Kind
    beta: float  # 0 where unknown
    logit_scale: float
    pairs: PairScores
    score: Callable[[Batch], Tensor]


def subject_of(run: Run, base: Policy, pairs: list[Example]) -> Subject:
    """What the specification names, with the pairs scored; raises EngineError when it does not fit the base."""
    if run.spec.reward_model_path:
        return _reward_subject(run, base, pairs)
    reference = _reference(run, base, pairs)
    lengths = torch.tensor([[len(answer) for answer in pair.answers] for pair in pairs])
    if not run.spec.policy_path:
        scores = PairScores(reference, _gap(reference / lengths))
        return Subject(Kind.REFERENCE, 0.0, 1.0, scores, lambda batch: answer_log_probs(base, batch))
    policy, beta = load_over(base, run.spec.policy_path, run.spec.config), run.spec.policy_beta or 1.0

    def implicit_reward(batch: Batch) -> Tensor:
        return beta * (answer_log_probs(policy, batch) - answer_log_probs(base, batch))

    log_probs = score_all(run, policy, pairs, lambda batch: answer_log_probs(policy, batch)).view(-1, 2)
    ratios = log_probs - reference
    scores = PairScores(beta * ratios, _gap(ratios / lengths), _gap(log_probs))
    return Subject(Kind.POLICY, run.spec.policy_beta, 1.0, scores, implicit_reward)


def _reward_subject(run: Run, base: Policy, pairs: list[Example]) -> Subject:
    model = load_reward_model(Path(run.spec.reward_model_path), base)
    members = score_all(run, model.body, pairs, model.member_scores).view(1 + len(model.others), -1, 2)
    scores = PairScores(members[0], members=members if len(members) > 1 else None)
    return Subject(Kind.REWARD, 0.0, _logit_scale(model), scores, model.scores)


def _logit_scale(model: RewardModel) -> float:
    return float(model.log_odds(torch.ones(())))


def _reference(run: Run, base: Policy, pairs: list[Example]) -> Tensor:
    """[n, 2] from the cache that later runs on the same data and model use."""
    return reference_log_probs(run, base, pairs)


def _gap(values: Tensor) -> Tensor:
    return values[:, 0] - values[:, 1]


@torch.no_grad()
def score_all(run: Run, body: Policy, examples: list[Example], score: Callable[[Batch], Tensor]) -> Tensor:
    """`score` of all answers, [..., answers] in the order of the examples, on the CPU; heeds a stop."""
    parts = body.passes(examples, run.spec.config.tokens_per_pass)
    found = [score(body.collate([examples[i] for i in part])).cpu() for part in run.watched(STAGE, parts)]
    return torch.cat(found, dim=-1)


def load_over(base: Policy, folder: str, config: RunConfig) -> Policy:
    """A trained policy beside its base, frozen: an adapter on shared weights, or a whole model.

    Raises EngineError where their vocabularies differ, since the same ids would then be other words.
    """
    _check_vocabulary(base, folder)
    return _adapted(base, folder) if (Path(folder) / "adapter_config.json").is_file() else load_policy(folder, config)


def _check_vocabulary(base: Policy, folder: str) -> None:
    try:
        known = AutoTokenizer.from_pretrained(folder).get_vocab()
    except (OSError, ValueError) as error:
        raise EngineError(
            f"The policy in {folder} cannot be read: {str(error).splitlines()[0]}", "Put its files back."
        ) from error
    if known != base.tokenizer.get_vocab():
        raise EngineError(
            f"The vocabulary of the policy in {folder} ({len(known)} tokens) is not that of {base.model.name_or_path} "
            f"({len(base.tokenizer)} tokens).",
            "Inspect it over the base that it was trained from.",
        )


def _adapted(base: Policy, folder: str) -> Policy:
    from peft import PeftModel

    body = frozen_copy(base, share_weights=True)
    try:
        body.adapter = PeftModel.from_pretrained(body.model, folder).eval().requires_grad_(False)
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineError(
            f"The adapter in {folder} does not fit the model {base.model.name_or_path}: {str(error).splitlines()[0]}",
            "Inspect it over the base that it was trained from.",
        ) from error
    return body
