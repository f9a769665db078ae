"""`python -m bench.pathologies.answers REQUEST OUT`: a policy's sampled answers to prompts.

REQUEST is JSON: {model, adapter, prompts, count, max_tokens, temperature, seed}; OUT receives a list of lists of texts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel

from training.config import DPOConfig
from training.engine.data import Template
from training.engine.loop import seed_step
from training.engine.policy import Policy, load_policy
from training.engine.rollouts import sample

PROMPTS_AT_ONCE = 64


def main(request: Path, out: Path) -> None:
    asked = json.loads(request.read_text())
    policy = _load(asked["model"], asked["adapter"])
    out.write_text(json.dumps(answers(policy, asked)))


def _load(model: str, adapter: str) -> Policy:
    policy = load_policy(model, DPOConfig(tuning="lora", precision="fp32"))
    if adapter:
        PeftModel.from_pretrained(policy.model, adapter).eval()
    return policy


@torch.no_grad()
def answers(policy: Policy, asked: dict[str, Any]) -> list[list[str]]:
    """The texts, by prompt; prompts of like length share a batch."""
    ids = Template(policy.tokenizer).prompt_ids([[{"role": "user", "content": text}] for text in asked["prompts"]])
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    texts: list[list[str]] = [[] for _ in ids]
    for start in range(0, len(order), PROMPTS_AT_ONCE):
        rows = order[start : start + PROMPTS_AT_ONCE]
        seed_step(asked["seed"], start)
        groups = sample(
            policy,
            [ids[i] for i in rows],
            count=asked["count"],
            max_new_tokens=asked["max_tokens"],
            temperature=asked["temperature"],
        )
        for row, group in zip(rows, groups, strict=True):
            texts[row] = [policy.tokenizer.decode(a.tokens, skip_special_tokens=True).strip() for a in group]
    return texts


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
