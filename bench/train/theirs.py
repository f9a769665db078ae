"""The rival: TRL's trainers as a user would set them for speed. `python -m bench.train.theirs SPEC.json`.

Settings that differ from TRL's defaults: fp32 or bf16 as measured; no gradient checkpointing, which costs a fifth more
time where memory allows; reference log-probabilities computed beforehand; batches of similar length (inputs.py sorts
them, hence sequential sampling); no logging, progress bar or saving; centring 0.01 for the reward model as in the
engine. Left as they are: the fused LM head, fused AdamW, scaled-dot-product attention.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.train.inputs import BATCH, COMPLETIONS, GROUP, MOST_NEW_TOKENS, PROMPTS, pairs, world_pairs
from bench.train.measuring import Measured, measure


@dataclass(frozen=True, slots=True)
class Spec:
    """What one process of TRL is asked for; `out` receives units, seconds and the bytes held on a GPU."""

    method: str
    model: str
    precision: str
    seconds: float
    out: str
    tuning: str = "full"
    longer: int = 1
    at_once: int = BATCH
    device: str = "cpu"


def run(folder: Path, model: Path, method: str, precision: str, seconds: float, **more: Any) -> Measured:
    """Train for a warm-up epoch and then whole epochs of at least `seconds`, in a process of its own."""
    folder.mkdir(parents=True)
    spec = Spec(method, str(model), precision, seconds, str(folder / "timing.json"), **more)
    (folder / "spec.json").write_text(json.dumps(asdict(spec)))
    peak = measure(["bench.train.theirs", str(folder / "spec.json")], folder / "log")
    timing = json.loads(Path(spec.out).read_text())
    return Measured(timing["units"] / timing["seconds"], timing["device_bytes"] or peak, timing["seconds"])


def trainer(spec: Spec) -> Any:
    """A TRL trainer that is ready to train."""
    common: dict[str, Any] = {
        "output_dir": str(Path(spec.out).parent / "output"),
        "num_train_epochs": 1000,
        "learning_rate": 1e-6,
        "bf16": spec.precision == "bf16",
        "gradient_checkpointing": False,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": spec.device == "cpu",
    }
    batch = {"per_device_train_batch_size": spec.at_once, "gradient_accumulation_steps": BATCH // spec.at_once}
    on_pairs = {**batch, "train_sampling_strategy": "sequential", "max_length": 2048}
    match spec.method:
        case "dpo":
            return _dpo(spec, {**common, **on_pairs})
        case "contrastive_cpo":
            return _contrastive_cpo(spec, {**common, **on_pairs})
        case "reward":
            return _reward(spec, {**common, **on_pairs})
        case "rloo":
            return _rloo(spec, common)
    raise ValueError(f"TRL is not compared for {spec.method}")


def _dpo(spec: Spec, common: dict[str, Any]) -> Any:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    config = DPOConfig(**common, precompute_ref_log_probs=True, precompute_ref_batch_size=spec.at_once)
    return DPOTrainer(
        model=_causal_model(spec),
        args=config,
        train_dataset=_dataset(spec),
        processing_class=_tokenizer(spec),
        peft_config=_lora() if spec.tuning == "lora" else None,
    )


def _lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=64, lora_alpha=128, target_modules="all-linear", task_type="CAUSAL_LM")


def _contrastive_cpo(spec: Spec, common: dict[str, Any]) -> Any:
    from trl.experimental.cpo import CPOConfig, CPOTrainer

    return CPOTrainer(
        model=_causal_model(spec),
        args=CPOConfig(**common),
        train_dataset=_dataset(spec),
        processing_class=_tokenizer(spec),
    )


def _reward(spec: Spec, common: dict[str, Any]) -> Any:
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import RewardTrainer

    return RewardTrainer(
        model=_scoring_model(spec),
        args=RewardConfig(**common, center_rewards_coefficient=0.01),
        train_dataset=_dataset(spec),
        processing_class=_tokenizer(spec),
    )


def _rloo(spec: Spec, common: dict[str, Any]) -> Any:
    """Policy, reference and a reward model of the policy's size, as in the engine's run."""
    from datasets import Dataset
    from trl.trainer.rloo_config import RLOOConfig
    from trl.trainer.rloo_trainer import RLOOTrainer

    config = RLOOConfig(
        **common,
        per_device_train_batch_size=COMPLETIONS,
        num_generations=GROUP,
        max_completion_length=MOST_NEW_TOKENS,
        steps_per_generation=1,
    )
    return RLOOTrainer(
        model=_causal_model(spec),
        reward_funcs=_scoring_model(spec),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": row["prompt"]} for row in world_pairs(PROMPTS)]),
        processing_class=_tokenizer(spec),
    )


def _dataset(spec: Spec) -> Any:
    from datasets import Dataset

    rows = pairs(longer=spec.longer)
    return Dataset.from_list([{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows])


def _tokenizer(spec: Spec) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(spec.model)


def _causal_model(spec: Spec) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if spec.tuning == "lora" and spec.precision == "bf16" else torch.float32
    return AutoModelForCausalLM.from_pretrained(spec.model, dtype=dtype)


def _scoring_model(spec: Spec) -> Any:
    import torch
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(spec.model, num_labels=1, dtype=torch.float32)


def main() -> None:
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text()))
    subject = trainer(spec)
    clock = _clock(spec.seconds)
    subject.add_callback(clock)
    subject.train()
    timing = {"units": clock.units, "seconds": clock.ended - clock.began, "device_bytes": _device_bytes()}
    Path(spec.out).write_text(json.dumps(timing))


def _device_bytes() -> int:
    """Most bytes held on a GPU; 0 where there is none."""
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0


def _clock(seconds: float) -> Any:
    """A callback that starts after the first epoch and stops the training at the end of a later one."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        began, ended, units = 0.0, 0.0, 0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.began:
                self.units += args.train_batch_size * args.gradient_accumulation_steps

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            now = time.perf_counter()
            self.began, self.ended = self.began or now, now
            control.should_training_stop = now - self.began >= seconds and self.units > 0

    return Clock()


if __name__ == "__main__":
    main()
