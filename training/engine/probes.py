"""What the policy itself says: at every checkpoint it answers held-out prompts by sampling; the answers are measured.

Held-out pairs show how a policy ranks other people's answers; only its own show how far it has moved (KL is an
expectation over its own samples), how long and how varied its answers have become. The reference answers the same
prompts once, before training. Answers at a step are a function of the weights and of (seed, step), so a resumed run
repeats them.

Cost of a look with n prompts: n sampled answers and two forward passes over them, about what n / 2 training pairs cost
plus the sampling. A policy trained in full has its reference loaded from disk for the look and freed after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from training.config import SFTConfig
from training.diagnosis.texts import style_of
from training.engine.artifacts import write_atomically
from training.engine.logprobs import token_log_probs
from training.engine.loop import Metrics, no_probe, seed_step
from training.engine.packing import Batch, Example
from training.engine.policy import Policy, load_policy
from training.engine.rollouts import Answer, sample
from training.engine.run import Run

Reference = Callable[[], AbstractContextManager[Policy]]
Scores = Callable[[Batch], Tensor]

LOGITS_AT_ONCE = 1 << 24
NORMAL_95 = 1.96
MOST_NEGATIVE_RATIO = -20.0
"""Below this log-ratio exp(-ratio) of the k3 estimate would swamp every other token, and soon overflow."""


def make_probe(
    run: Run,
    policy: Policy,
    held_out: Sequence[Example],
    max_new_tokens: int,
    *,
    reference: Reference | None = None,
    scores: Scores | None = None,
) -> Callable[[int], Metrics]:
    """The measurements as a function of the step, for `Plan.probe`; call it while the policy still is its reference.

    `reference` gives the frozen model where one is in memory; `scores` judges answers, as a reward model does.
    """
    max_new_tokens = min(max_new_tokens, policy.context_length // 2)
    asked = _askable(policy, held_out, max_new_tokens)[: run.policy_config.probe_prompts]
    if not asked:
        return no_probe
    if reference is None and not _from_random_weights(run):
        reference = lambda: _reference(run, policy)  # noqa: E731
    before = _answers(run, policy, asked, max_new_tokens, step=0) if reference else None
    return Probe(run, policy, asked, max_new_tokens, reference, before, scores)


def _askable(policy: Policy, held_out: Sequence[Example], max_new_tokens: int) -> list[Example]:
    """One example for each prompt that leaves room for an answer."""
    first = {example.prompt: example for example in reversed(held_out)}
    examples = [first[prompt] for prompt in dict.fromkeys(example.prompt for example in held_out)]
    return [e for e in examples if len(e.prompt) + max_new_tokens <= policy.context_length]


def _from_random_weights(run: Run) -> bool:
    config = run.spec.config
    return isinstance(config, SFTConfig) and config.from_scratch


@contextmanager
def _reference(run: Run, policy: Policy) -> Iterator[Policy]:
    """The model that the policy started from: itself with the adapter off, or loaded anew."""
    if policy.adapter is None:
        yield load_policy(run.spec.model_path, run.training)
    else:
        with policy.adapter.disable_adapter():
            yield policy


def _answers(run: Run, policy: Policy, asked: Sequence[Example], max_new_tokens: int, *, step: int) -> list[Answer]:
    """One sampled answer to each prompt; leaves torch's generator as it was."""
    room = [Example(e.prompt, ((0,) * max_new_tokens,)) for e in asked]
    answers: list[Answer] = []
    with torch.random.fork_rng():
        seed_step(run.training.seed, step)
        for part in policy.passes(room, run.training.tokens_per_pass):
            prompts = [asked[i].prompt for i in part]
            groups = sample(policy, prompts, count=1, max_new_tokens=max_new_tokens, temperature=1.0)
            answers += [answer for [answer] in groups]
    return answers


@dataclass(frozen=True)
class Probe:
    """What is asked, and what stays the same from look to look; called with the step."""

    run: Run
    policy: Policy
    asked: list[Example]
    max_new_tokens: int
    reference: Reference | None
    before: list[Answer] | None  # the reference's own answers
    scores: Scores | None

    @torch.no_grad()
    def __call__(self, step: int) -> Metrics:
        answers = _answers(self.run, self.policy, self.asked, self.max_new_tokens, step=step)
        examples = [Example(e.prompt, (a.tokens,)) for e, a in zip(self.asked, answers, strict=True)]
        measured = self._measured(examples)
        texts = [self._text(answer) for answer in answers]
        lengths = torch.tensor([len(answer.tokens) for answer in answers]).float()
        self._write_evidence(step, answers, texts, measured)
        values = {
            "length": float(lengths.mean()),
            "truncated_share": sum(not answer.finished for answer in answers) / len(answers),
            "entropy": float(measured.entropy.sum() / lengths.sum()),
            **style_of(texts),
            **kl_estimates(measured.ratios, lengths.long()),
        }
        if self.before is not None:
            values["length_ratio"] = values["length"] * len(self.before) / sum(len(a.tokens) for a in self.before)
        if measured.scores is not None:
            values["score"] = float(measured.scores.mean())
        return {f"own/{name}": value for name, value in values.items()}

    def _measured(self, examples: list[Example]) -> Measured:
        parts = self.policy.passes(examples, self.run.training.tokens_per_pass)
        batches = [self.policy.collate([examples[i] for i in part]) for part in parts]
        both = [self.policy.as_forward(_log_probs_and_entropy, self.policy, batch) for batch in batches]
        log_probs, entropy = torch.cat(both, dim=1)
        ratios = scores = None
        if self.reference is not None:
            with self.reference() as reference:
                theirs = torch.cat([token_log_probs(reference, batch) for batch in batches])
            ratios = (log_probs - theirs).cpu()
        if self.scores is not None:
            scores = torch.cat([self.scores(batch) for batch in batches]).cpu()
        return Measured(ratios, entropy.cpu(), scores)

    def _text(self, answer: Answer) -> str:
        return str(self.policy.tokenizer.decode(answer.tokens, skip_special_tokens=True)).strip()

    def _write_evidence(self, step: int, answers: list[Answer], texts: list[str], measured: Measured) -> None:
        """RUN_DIR/evidence/own.json: the latest answers beside the reference's, with the row that asks for each."""
        lengths = torch.tensor([len(answer.tokens) for answer in answers])
        kl = None if measured.ratios is None else per_answer(measured.ratios, lengths).tolist()
        rows = [
            {
                "row": asked.row,
                "answer": texts[i],
                "length": len(answers[i].tokens),
                "finished": answers[i].finished,
                "reference": None if self.before is None else self._text(self.before[i]),
                "reference_length": None if self.before is None else len(self.before[i].tokens),
                "kl": None if kl is None else kl[i],
                "score": None if measured.scores is None else float(measured.scores[i]),
            }
            for i, asked in enumerate(self.asked)
        ]
        folder = self.run.folder / "evidence"
        folder.mkdir(exist_ok=True)
        write_atomically(folder / "own.json", json.dumps({"step": step, "samples": rows}, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class Measured:
    """Of the tokens of all answers in order: log pi - log pi_ref [N] and entropies [N]; of the answers: scores [n]."""

    ratios: Tensor | None
    entropy: Tensor
    scores: Tensor | None


def _log_probs_and_entropy(policy: Policy, batch: Batch) -> Tensor:
    """log pi of every answer token, and the entropy in nats of the distribution it was drawn from [2, N]."""
    states = policy.hidden_states(batch).index_select(0, batch.sources)
    rows = max(1, LOGITS_AT_ONCE // policy.head.vocabulary)
    chosen, entropies = [], []
    with policy.autocast():
        for part, targets in zip(states.split(rows), batch.targets.split(rows), strict=True):
            log_probs = policy.head(part).float().log_softmax(dim=-1)
            chosen.append(log_probs.gather(1, targets[:, None]).squeeze(1))
            entropies.append(-(log_probs.exp() * log_probs).sum(dim=-1))
    return torch.stack([torch.cat(chosen), torch.cat(entropies)])


def per_answer(values: Tensor, lengths: Tensor) -> Tensor:
    """Sums over the tokens of each answer; values [N], lengths [n] with sum N -> [n]."""
    return torch.stack([part.sum() for part in values.split(lengths.tolist())])


def kl_estimates(ratios: Tensor | None, lengths: Tensor) -> dict[str, float]:
    """KL(pi || pi_ref) in nats per answer, from log pi - log pi_ref of the policy's own tokens [N]; {} without them.

    k1 = sum of the log-ratios, unbiased: its mean with the normal 95 % interval over the answers [n]. k3 = sum of
    exp(-ratio) - 1 + ratio, never negative and of lower variance, as a monitor (methods.md, section 4.2).
    """
    if ratios is None:
        return {}
    k1 = per_answer(ratios, lengths)
    bounded = ratios.clamp(min=MOST_NEGATIVE_RATIO)
    k3 = per_answer((-bounded).exp() - 1 + bounded, lengths)
    half = NORMAL_95 * float(k1.std()) / len(k1) ** 0.5 if len(k1) > 1 else 0.0
    mean = float(k1.mean())
    return {"kl": mean, "kl_low": mean - half, "kl_high": mean + half, "kl_k3": float(k3.mean())}
