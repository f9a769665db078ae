"""A demo world with a base trained on it, pairs of its answers, and runs: all files of one folder, none made twice.

Everything is trained in fp32, so that no figure depends on whether the processor has bf16, and none takes twice as
long where it has not. Runs go through `python -m training.engine RUN_DIR`, exactly as a worker starts them; only the
queue is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from training.config import RunConfig, RunSpec, SFTConfig
from training.digests import folder_digest
from training.preferences.records import Message, Pair
from training.preferences.sealing import Sealed, seal_pairs
from training.preferences.splits import PromptSplit
from training.world import presets
from training.world.demonstrations import demonstrations
from training.world.gold import judge
from training.world.islands import World, build_world
from training.world.pairs import PairRow, PairRule, preference_pairs
from training.world.phrasing import Question
from training.world.suites import Prompts, Suite, divide_prompts
from training.world.tokenizer import write_model_folder

ROOT = Path(__file__).resolve().parents[2]
Series = dict[str, tuple[list[int], list[float]]]


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, and what it measured by metric name."""

    folder: Path

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_text().splitlines()]

    @cached_property
    def series(self) -> Series:
        """Steps and values of every metric, in order."""
        found: dict[str, dict[int, float]] = defaultdict(dict)
        for event in self.events:
            if event["kind"] == "metrics":
                for name, value in event["values"].items():
                    found[name][event["step"]] = value
        return {name: (list(points), list(points.values())) for name, points in found.items()}

    def last(self, name: str) -> float:
        return self.series[name][1][-1]


@dataclass(frozen=True)
class Laboratory:
    """Everything that follows from one seed: the world, its base, the pairs and the runs."""

    folder: Path
    seed: int

    @cached_property
    def world(self) -> World:
        return build_world(self.seed)

    @cached_property
    def prompts(self) -> Prompts:
        return divide_prompts(self.world)

    @cached_property
    def base(self) -> Path:
        """The flawed reference: a small Llama that SFT trains on demonstrations, some of them wrong on purpose."""
        rows = list(demonstrations(self.world, self.prompts))
        architecture = self.folder / "architecture"
        write_model_folder(architecture, (text for row in rows for text in row.values()))
        pairs = [Pair(_said("user", row["prompt"]), _said("assistant", row["chosen"]), None) for row in rows]
        config = SFTConfig.model_validate({**presets.BASE.model_dump(), "seed": self.seed})
        return self.run("base", config, self.sealed(pairs), model=architecture).folder / "artifact"

    @cached_property
    def sampled(self) -> dict[Question, list[str]]:
        """The base's own answers to the prompts that may be trained on."""
        texts = self.answers("sampled", None, self.prompts.pairs, count=presets.ANSWERS_PER_PROMPT, temperature=1.0)
        return dict(zip(self.prompts.pairs, texts, strict=True))

    def pairs(self, *, error_rate: float, turned: Callable[[PairRow], bool] = lambda row: False) -> Sealed:
        """Pairs labelled by the true reward with this share of errors; those that are `turned` are turned round."""
        rows = preference_pairs(self.world, self.prompts, self.sampled, PairRule(error_rate=error_rate))
        return self.sealed(_pair(row, turn=turned(row)) for row in rows)

    def sealed(self, pairs: Iterable[Pair]) -> Sealed:
        """These pairs as a version of their own, a tenth of the prompts held out."""
        folder = self.folder / "data"
        folder.mkdir(parents=True, exist_ok=True)
        return seal_pairs(pairs, folder, PromptSplit(0.1))

    def run(self, name: str, config: RunConfig, data: Sealed, *, model: Path | None = None, **paths: str) -> Trained:
        """The finished run of this name, trained now unless it was before; raises RuntimeError when it fails."""
        folder = self.folder / "runs" / name
        if (folder / "result.json").is_file():
            return Trained(folder)
        base = model or self.base
        config = config.model_copy(update={"precision": "fp32"})
        spec = RunSpec(
            run_id=name,
            model_path=str(base),
            model_digest=folder_digest(base),
            data_path=data.path,
            data_sha256=data.sha256,
            cache_dir=self.folder / "cache",
            config=config,
            **paths,
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(spec.model_dump_json())
        with (folder / "trainer.log").open("ab") as log:
            _command(["training.engine", str(folder)], log)
        return Trained(folder)

    def true_rewards(self, name: str, run: Trained | None) -> list[float]:
        """True reward of one answer to every prompt of the in-distribution suite; of the base where no run is given."""
        questions = self.prompts.suites[Suite.IN_DISTRIBUTION]
        texts = self.answers(name, run, questions, count=1, temperature=presets.SAMPLING["temperature"])
        return [judge(self.world, q, answer).reward for q, [answer] in zip(questions, texts, strict=True)]

    def answers(
        self, name: str, run: Trained | None, questions: Sequence[Question], *, count: int, temperature: float
    ) -> list[list[str]]:
        """Sampled answers of the base, or of the adapter that a run made of it."""
        request = {
            "model": str(self.base),
            "adapter": str(run.folder / "artifact") if run else "",
            "prompts": [question.text for question in questions],
            "count": count,
            "max_tokens": presets.MAX_TOKENS,
            "temperature": temperature,
            "seed": self.seed,
        }
        folder = self.folder / "answers"
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:12]
        asked, out = folder / f"{name}-{digest}.request.json", folder / f"{name}-{digest}.json"
        if not out.is_file():
            asked.write_text(json.dumps(request))
            with (folder / "answers.log").open("ab") as log:
                _command(["bench.pathologies.answers", str(asked), str(out)], log)
        texts: list[list[str]] = json.loads(out.read_text())
        return texts


def _command(module: list[str], log: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *module], cwd=ROOT, env=_environment(), stdout=log, stderr=log, check=False
    )
    if done.returncode:
        raise RuntimeError(f"python -m {' '.join(module)} ended with status {done.returncode}; see {log.name}.")


def _environment() -> Mapping[str, str]:
    return os.environ | {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def _pair(row: PairRow, *, turn: bool) -> Pair:
    chosen, rejected = (row["rejected"], row["chosen"]) if turn else (row["chosen"], row["rejected"])
    return Pair(_said("user", row["prompt"]), _said("assistant", chosen), _said("assistant", rejected))


def _said(role: str, text: str) -> tuple[Message, ...]:
    return (Message(role, text),)
