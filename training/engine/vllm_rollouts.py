"""Sampling answers through vLLM's offline engine, in the trainer's process and on its device.

    wake up -> weights of this step -> answers with their log-probabilities -> sleep, while the policy is updated

An adapter is handed over as a folder under a new number each step, so nothing cached can be taken for it; weights
trained in full are loaded into vLLM's model in place. On CUDA vLLM sleeps between rollouts: its weights move to main
memory and its cache is given up, so that trainer and sampler share one device; on a CPU there is nothing to give up.

vLLM computes the same function in another order (other kernels, other batches), so its probabilities differ a little
from the trainer's: rollout/sampler_gap shows by how much and truncated importance weights correct for it (rlhf.py).

Left out: a rollout server in processes of its own. It pays from several nodes on, and alignapp runs on one host; with
sleep one device serves both by turns. Unlike the trainer's own sampler, vLLM does not promise the same bits for the
same seed on a GPU, so a resumed run repeats an uninterrupted one only statistically there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from importlib import metadata
from importlib.util import find_spec
from typing import Any

import torch

from training.config import RLHFConfig
from training.engine.errors import EngineError
from training.engine.policy import Policy
from training.engine.rollouts import Answer
from training.engine.run import Run

DEVICE_SHARE = 0.3
"""Share of a GPU's memory that vLLM may use while it is awake; the rest stays with the trainer."""

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # those vLLM can be started for
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # the engine in this process, where it can be handed tensors
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # the trainer's threads are these threads
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


class VllmSampler:
    """Calls vLLM for a step's answers; an `experience.Sampler`."""

    def __init__(self, run: Run, policy: Policy, config: RLHFConfig, longest_prompt: int) -> None:
        """Start vLLM on the policy's base; raises EngineError where that cannot be done."""
        _check(policy, config)
        run.stage("starting vLLM")
        self._policy, self._config = policy, config
        self._adapters = run.folder / "vllm_adapters"
        self._sleeps = policy.device.type == "cuda"
        os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
        from vllm import LLM

        options = _options(policy, config, min(policy.context_length, longest_prompt + config.max_new_tokens))
        try:
            self._llm = LLM(model=run.spec.model_path, seed=config.seed % 2**31, **options)
        except (ValueError, RuntimeError, NotImplementedError) as error:
            raise EngineError(
                f"vLLM cannot be started on {run.spec.model_path}: {str(error).strip().splitlines()[0]}",
                "Set sampler to transformers, or free memory on the device.",
            ) from error
        self._sleep()

    def __call__(self, prompts: Sequence[tuple[int, ...]], step: int) -> list[list[Answer]]:
        """A group of answers to each prompt from the policy's present weights; a function of (seed, step) on a CPU."""
        if self._sleeps:
            self._llm.wake_up()
        adapter = self._hand_over(step)
        outputs = self._llm.generate(
            [{"prompt_token_ids": list(prompt)} for prompt in prompts],
            [self._sampling(step, index) for index in range(len(prompts))],
            lora_request=adapter,
            use_tqdm=False,
        )
        shutil.rmtree(self._adapters, ignore_errors=True)
        self._sleep()
        return [[_answer(completion) for completion in output.outputs] for output in outputs]

    def _sleep(self) -> None:
        if self._sleeps:
            torch.cuda.empty_cache()
            self._llm.sleep(level=1)

    def _hand_over(self, step: int) -> Any:
        """Give vLLM the present weights; the adapter to ask for, or None where they are vLLM's own by now."""
        if self._policy.adapter is None:
            weights = [(name, weight.detach()) for name, weight in self._policy.model.named_parameters()]
            self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
            self._llm.reset_prefix_cache()
            return None
        from vllm.lora.request import LoRARequest

        folder = self._adapters / str(step)
        self._policy.adapter.save_pretrained(folder, save_embedding_layers=False)
        return LoRARequest(folder.name, step + 1, str(folder))

    def _sampling(self, step: int, index: int) -> Any:
        """Exactly the trainer's own rule: from the whole distribution, up to the tokenizer's end token."""
        from vllm import SamplingParams

        config = self._config
        return SamplingParams(
            n=config.group_size,
            temperature=config.temperature,
            max_tokens=config.max_new_tokens,
            seed=((config.seed * 1_000_003 + step) * 65_537 + index * config.group_size) % 2**31,
            ignore_eos=True,
            stop_token_ids=[self._policy.tokenizer.eos_token_id],
            logprobs=0,
            detokenize=False,
        )


def _answer(completion: Any) -> Answer:
    """vLLM's answer; `logprobs` holds, for every token, {token: log-probability}."""
    tokens = tuple(completion.token_ids)
    log_probs = tuple(choices[token].logprob for token, choices in zip(tokens, completion.logprobs, strict=True))
    return Answer(tokens, completion.finish_reason == "stop", log_probs)


def _options(policy: Policy, config: RLHFConfig, length: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "dtype": "bfloat16" if policy.precision == "bf16" else "float32",
        "max_model_len": length,
        "logprobs_mode": "processed_logprobs",  # at the sampling temperature, as the trainer computes them
        "generation_config": "vllm",  # the model's own sampling defaults would change what is sampled
        "enforce_eager": policy.device.type == "cpu",
        "disable_log_stats": True,
    }
    if config.tuning == "lora":
        rank = next(rank for rank in LORA_RANKS if rank >= config.lora_rank)
        options |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": rank}
    if policy.device.type == "cuda":
        return options | {"enable_sleep_mode": True, "gpu_memory_utilization": DEVICE_SHARE}
    extension = "training.engine.vllm_lora.OnlyWithAdapter"
    return options | {"distributed_executor_backend": "uni", "worker_extension_cls": extension}


def _check(policy: Policy, config: RLHFConfig) -> None:
    remedy = "Set sampler to transformers."
    if find_spec("vllm") is None:
        raise EngineError("The sampler is vLLM, which is not installed here.", remedy)
    if config.devices > 1:
        raise EngineError("vLLM samples on one device; the run asks for several.", f"{remedy[:-1]}, or devices to 1.")
    if policy.device.type == "cuda" and _is_cpu_build():
        raise EngineError("The installed vLLM is its CPU build, and the run trains on a GPU.", remedy)


def _is_cpu_build() -> bool:
    return any(distribution.name == "vllm-cpu" for distribution in metadata.distributions())
