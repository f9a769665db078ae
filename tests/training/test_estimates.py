"""Estimates of a run: sizes from config.json, and arithmetic that can be done by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.utils import timezone

from tests.factories import make_run
from tests.training.launch_material import base_on_disk, model_folder, sealed_version
from training.config import (
    DPOConfig,
    InspectionConfig,
    Method,
    RewardModelConfig,
    RLHFConfig,
    SFTConfig,
    SimPOConfig,
)
from training.launching import estimates, throughput
from training.launching.device import processor_memory
from training.launching.estimates import DataShape, ModelShape, NoShape, estimate, read_shape
from training.models import Run

SHAPE = ModelShape(parameters=1_000_000, layers=2, hidden=10, intermediate=30, attention=10, keys=5, vocabulary=100)
DATA = DataShape(rows=100, prompts=25, prompt=10, chosen=20, rejected=30)


def test_parameters_are_counted_from_the_sizes_where_there_are_no_weights(tmp_path: Path):
    """Embeddings 700·128 (tied) = 89,600; a layer 4·128·128 + 3·128·344 + 2·128 = 197,888; a last norm of 128.

    89,600 + 4·197,888 + 128 = 881,280.
    """
    assert read_shape(model_folder(tmp_path)).parameters == 881_280


def test_parameters_are_counted_exactly_from_the_headers_of_safetensors(tmp_path: Path):
    """3·4 + 5 = 17; the metadata is no tensor."""
    header = json.dumps({"a": {"shape": [3, 4]}, "b": {"shape": [5]}, "__metadata__": {"format": "pt"}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    assert estimates.count_parameters(tmp_path.glob("*.safetensors")) == 17


def test_sizes_are_also_found_under_the_names_of_gpt2(tmp_path: Path):
    (tmp_path / "config.json").write_text(json.dumps({"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 50}))
    shape = read_shape(tmp_path)
    assert (shape.hidden, shape.layers, shape.intermediate, shape.keys) == (64, 3, 256, 64)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hidden_size": "wide"}'])
def test_a_config_that_describes_no_transformer_is_refused_with_its_folder(tmp_path: Path, text: str):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(NoShape, match=str(tmp_path)):
        read_shape(tmp_path)


def test_an_adapter_has_rank_times_inputs_plus_outputs():
    """Queries and output 2·(10+10), keys and values 2·(10+5), feed-forward 3·(10+30): 190 a layer, 2 layers, rank 8."""
    assert SHAPE.adapter_parameters(8) == 2 * 8 * 190


def test_epochs_become_steps_and_the_last_may_be_smaller():
    """1.5 epochs of 100 rows are 150 visits, and 150 / 32 = 4.7 steps."""
    expected = estimate(Method.DPO, DPOConfig(epochs=1.5), SHAPE, DATA)
    assert (expected.visits, expected.steps) == (150, 5)


def test_a_step_limit_overrules_the_epochs():
    assert estimate(Method.DPO, DPOConfig(max_steps=7, epochs=9), SHAPE, DATA).steps == 7


def test_rlhf_visits_prompts_and_not_pairs():
    """25 different prompts, 8 a step: 4 steps; each visit 4 answers of 10 + 64 tokens."""
    expected = estimate(Method.RLHF, RLHFConfig(batch_size=8), SHAPE, DATA)
    assert (expected.steps, expected.tokens) == (4, 25 * 4 * 74)


def test_a_pair_holds_its_prompt_once_and_answers_are_cut():
    """10 + 20 + 30 = 60 tokens a pair; with a limit of 16 both answers are cut to 6: 22."""
    assert estimate(Method.DPO, DPOConfig(), SHAPE, DATA).tokens == 100 * 60
    assert estimate(Method.DPO, DPOConfig(max_length=16), SHAPE, DATA).tokens == 100 * 22


def test_sft_reads_only_the_chosen_answer():
    assert estimate(Method.SFT, SFTConfig(), SHAPE, DATA).tokens == 100 * 30


def test_full_training_keeps_sixteen_bytes_a_parameter():
    """Weights 4, gradients 4, AdamW 8."""
    memory = estimate(Method.DPO, DPOConfig(tuning="full"), SHAPE, DATA).memory
    assert memory["Weights"] + memory["Gradients"] + memory["AdamW"] == 16 * SHAPE.parameters


def test_lora_in_bf16_keeps_two_bytes_a_parameter_and_sixteen_a_trained_one():
    """Rank 8 trains 2·8·190 = 3,040 parameters."""
    memory = estimate(Method.DPO, DPOConfig(precision="bf16", lora_rank=8), SHAPE, DATA).memory
    assert memory["Weights"] + memory["Gradients"] + memory["AdamW"] == 2 * SHAPE.parameters + 16 * 3_040


def test_a_larger_batch_needs_no_more_memory_than_one_pass():
    small, large = (
        estimate(Method.DPO, DPOConfig(batch_size=size, tokens_per_pass=600), SHAPE, DATA) for size in (10, 100)
    )
    assert small.memory == large.memory


def test_full_training_costs_six_operations_a_token_and_parameter_and_two_for_the_reference():
    """6,000 tokens and a million parameters: 6·6e9 + 2·6e9 = 4.8e10."""
    expected = estimate(Method.DPO, DPOConfig(tuning="full"), SHAPE, DATA)
    assert expected.training_flops == pytest.approx(4.8e10)
    assert expected.seconds(1e10) == pytest.approx(4.8 / estimates.TRAINING_EFFICIENCY)


def test_the_memory_of_a_container_is_its_limit(tmp_path: Path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal:       24000000 kB\nMemFree: 1 kB\n")
    assert processor_memory(tmp_path) == 24_000_000 * 1024
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("1000000\n")
    assert processor_memory(tmp_path) == 1_000_000


@pytest.mark.django_db
def test_lengths_and_prompts_come_from_the_sealed_file():
    """Prompts of 16 characters, answers of 8 and 12, at four characters a token."""
    assert throughput.data_shape(sealed_version(rows=40)) == DataShape(40, 40, 4.0, 2.0, 3.0)


def test_devices_share_weights_gradients_and_moments():
    """16 bytes of each of 1,000,000 parameters, a quarter on each of 4 devices.

    Two of two layers are gathered, (1,000,000 - 100·10) parameters, and the embeddings, 1,000: 4 bytes of each.
    """
    memory = estimate(Method.DPO, DPOConfig(tuning="full", devices=4), SHAPE, DATA).memory
    assert memory["Weights"] + memory["Gradients"] + memory["AdamW"] == 4 * SHAPE.parameters
    assert memory["Gathered layers"] == 4 * SHAPE.parameters


def test_each_device_holds_the_activations_of_its_share_of_a_step():
    """16 pairs of 60 tokens are 960; on two devices 480 each. 380 numbers a token in fp32, and logits of 100 words."""
    alone, shared = (
        estimate(Method.DPO, DPOConfig(batch_size=16, devices=devices), SHAPE, DATA).memory for devices in (1, 2)
    )
    assert alone["Activations"] == 960 * (4 * 380 + 8 * 100)
    assert shared["Activations"] == 480 * (4 * 380 + 8 * 100)


def test_frozen_models_of_rlhf_are_whole_on_every_device():
    """The policy's 4 bytes a parameter are halved; reference and reward model, 4 bytes each, are not."""
    memory = estimate(Method.RLHF, RLHFConfig(tuning="full", devices=2), SHAPE, DATA).memory
    assert memory["Weights"] == (2 + 4 + 4) * SHAPE.parameters


def test_recomputed_activations_are_the_inputs_of_the_layers_and_one_layer():
    """2 layers · 10 + 190 numbers of one layer: 210 a token in place of 380; 2 operations more than 6."""
    plain, recomputed = (
        estimate(Method.SFT, SFTConfig(tuning="full", batch_size=1, gradient_checkpointing=on), SHAPE, DATA)
        for on in (False, True)
    )
    assert plain.memory["Activations"] - recomputed.memory["Activations"] == 30 * 4 * (380 - 210)
    assert recomputed.training_flops / plain.training_flops == pytest.approx(8 / 6)


def test_simpo_needs_no_pass_of_the_reference():
    """DPO under LoRA costs 4 + 2 operations a token and parameter, SimPO 4."""
    dpo, simpo = estimate(Method.DPO, DPOConfig(), SHAPE, DATA), estimate(Method.SIMPO, SimPOConfig(), SHAPE, DATA)
    assert simpo.training_flops / dpo.training_flops == pytest.approx(4 / 6)


def test_a_reward_model_has_a_head_of_its_own_and_no_logits():
    """All 1,000,000 weights and a head of 10; 20 pairs of 60 tokens in fp32."""
    memory = estimate(Method.REWARD, RewardModelConfig(tuning="full", batch_size=20), SHAPE, DATA).memory
    assert memory["Gradients"] == 4 * 1_000_010
    assert memory["Activations"] == 20 * 60 * 380 * 4


def test_members_of_a_reward_model_are_trained_one_after_the_other():
    one, two = (estimate(Method.REWARD, RewardModelConfig(members=members), SHAPE, DATA) for members in (1, 2))
    assert two.memory == one.memory
    assert two.training_flops == 2 * one.training_flops


def test_ppo_trains_a_value_head_beside_the_policy():
    """16 bytes (weight, gradient, two moments) for each of 10 hidden numbers."""
    rloo, ppo = (estimate(Method.RLHF, RLHFConfig(algorithm=name), SHAPE, DATA) for name in ("rloo", "ppo"))
    assert ppo.memory_bytes - rloo.memory_bytes == 16 * SHAPE.hidden


def test_vllm_keeps_weights_of_its_own_and_the_keys_and_values_of_a_step():
    """8 prompts, 4 answers of 10 + 64 tokens: 2,368 tokens, 2 layers, 5 keys and 5 values each; 4 bytes a number."""
    memory = estimate(Method.RLHF, RLHFConfig(batch_size=8, sampler="vllm"), SHAPE, DATA).memory
    assert memory["vLLM"] == 4 * (SHAPE.parameters + 2_368 * 2 * (5 + 5))


def test_an_inspection_takes_one_forward_pass_over_its_rows():
    """50 of the 100 pairs, 60 tokens each, 2 operations a token and parameter; nothing is trained."""
    expected = estimate(Method.INSPECTION, InspectionConfig(rows=50), SHAPE, DATA)
    assert (expected.steps, expected.tokens) == (0, 50 * 60)
    assert expected.training_flops == 2 * SHAPE.parameters * 50 * 60
    assert not {"Gradients", "AdamW"} & expected.memory.keys()


@pytest.mark.django_db
def test_runs_on_another_number_of_devices_say_nothing_about_the_time(tmp_path: Path):
    base = base_on_disk(tmp_path)
    earlier = make_run("dpo", {"devices": 2}, base=base)
    Run.objects.filter(pk=earlier.pk).update(state="succeeded", step=10, train_seconds=8.0, finished_at=timezone.now())
    assert throughput.earlier_runs(Method.DPO, DPOConfig(), base) is None
    assert throughput.earlier_runs(Method.DPO, DPOConfig(devices=2), base) is not None


@pytest.mark.django_db
def test_runs_of_a_few_steps_say_nothing_about_the_time(tmp_path: Path):
    base = base_on_disk(tmp_path)
    earlier = make_run("dpo", base=base)
    Run.objects.filter(pk=earlier.pk).update(state="succeeded", step=9, train_seconds=60.0, finished_at=timezone.now())
    assert throughput.earlier_runs(Method.DPO, DPOConfig(), base) is None


@pytest.mark.django_db
def test_a_version_without_its_file_has_no_estimate():
    version = make_run().dataset_version
    with pytest.raises(NoShape, match="is gone"):
        throughput.data_shape(version)


@pytest.mark.django_db
def test_earlier_runs_of_the_same_kind_give_the_time(tmp_path: Path):
    """10 steps of 32 rows in 8 s are 40 rows a second, so 40 rows take one second."""
    base, version = base_on_disk(tmp_path), sealed_version(rows=40)
    earlier = make_run("dpo", base=base)
    Run.objects.filter(pk=earlier.pk).update(
        state="succeeded", step=10, train_seconds=8.0, peak_memory_bytes=5, finished_at=timezone.now()
    )
    forecast = throughput.forecast(Method.DPO, DPOConfig(), base, version)
    assert forecast.seconds == pytest.approx(1.0)
    assert forecast.measured == throughput.Measured(1, 40.0, 5)


@pytest.mark.django_db
def test_runs_of_another_tuning_say_nothing_about_the_time(tmp_path: Path):
    base = base_on_disk(tmp_path)
    earlier = make_run("dpo", {"tuning": "full"}, base=base)
    Run.objects.filter(pk=earlier.pk).update(state="succeeded", step=10, train_seconds=8.0)
    assert throughput.earlier_runs(Method.DPO, DPOConfig(), base) is None


@pytest.mark.django_db
def test_a_memory_limit_takes_the_place_of_what_the_device_has(tmp_path: Path):
    base, version = base_on_disk(tmp_path), sealed_version()
    forecast = throughput.forecast(Method.DPO, DPOConfig(memory_limit_gib=0.25), base, version)
    assert (forecast.limit_bytes, forecast.fits) == (1024**3 // 4, False)
