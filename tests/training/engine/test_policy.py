"""Loading models: what is refused and with which words, adapters, copies, training from random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from tests.training.engine.conftest import LAYERS_VLLM_ADAPTS, build_tokenizer, example, save_model
from training.config import DPOConfig, SFTConfig
from training.digests import folder_digest
from training.engine.artifacts import save_policy
from training.engine.errors import EngineError
from training.engine.logprobs import answer_log_probs
from training.engine.packing import pack
from training.engine.policy import frozen_copy, load_policy, make_trainable

LORA = DPOConfig(lora_rank=4, lora_alpha=8)


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(EngineError, match=r"gone does not exist\."):
        load_policy(str(tmp_path / "gone"), LORA)


def test_a_folder_without_safetensors_is_refused(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EngineError, match="no weights in safetensors"):
        load_policy(str(folder), LORA)


def test_a_folder_without_a_configuration_is_refused(tmp_path):
    with pytest.raises(EngineError, match=r"has no config\.json"):
        load_policy(str(tmp_path), LORA)


def test_a_tokenizer_without_a_chat_template_is_refused(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(EngineError, match="has no chat template"):
        load_policy(str(folder), LORA)


def test_a_model_without_a_tokenizer_is_refused(model_folder, tmp_path):
    folder = shutil.copytree(model_folder, tmp_path / "mute")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(EngineError, match=r"The tokenizer of .* cannot be loaded"):
        load_policy(str(folder), LORA)


def test_a_name_that_the_hub_cannot_give_is_refused():
    with pytest.raises(EngineError, match="no-such-team/no-such-model"):
        load_policy("no-such-team/no-such-model", LORA)


def test_a_fresh_adapter_changes_nothing(model_folder):
    policy = load_policy(str(model_folder), LORA)
    before = answer_log_probs(policy, pack([example(5, 3, 4)]))
    make_trainable(policy, LORA)
    assert torch.equal(answer_log_probs(policy, pack([example(5, 3, 4)])), before)


def test_an_adapter_trains_its_own_weights_only(model_folder):
    policy = load_policy(str(model_folder), LORA)
    make_trainable(policy, LORA)
    assert all("lora_" in name for name, _ in policy.trained())


@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_saved_adapter_has_the_form_that_vllm_loads(tmp_path, kind):
    policy = load_policy(str(save_model(tmp_path / "base", kind)), LORA)
    make_trainable(policy, LORA)
    save_policy(policy, tmp_path / "adapter", "somewhere/base")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert set(config["target_modules"]) == LAYERS_VLLM_ADAPTS
    assert (config["r"], config["use_dora"], config["modules_to_save"], config["bias"]) == (4, False, None, "none")
    assert config["base_model_name_or_path"] == "somewhere/base"
    assert {p.name for p in (tmp_path / "adapter").iterdir()} >= {"adapter_model.safetensors", "tokenizer.json"}


def test_a_saved_adapter_on_its_base_gives_the_trained_policy(model_folder, tmp_path):
    from peft import PeftModel

    policy = load_policy(str(model_folder), LORA)
    make_trainable(policy, LORA)
    with torch.no_grad():
        for _, parameter in policy.trained():
            parameter.normal_(std=0.1)
    save_policy(policy, tmp_path / "adapter", str(model_folder))
    again = load_policy(str(model_folder), LORA)
    PeftModel.from_pretrained(again.model, tmp_path / "adapter")
    batch = pack([example(5, 3, 4)])
    assert torch.allclose(answer_log_probs(again, batch), answer_log_probs(policy, batch), rtol=1e-6)


def test_a_gpt2_takes_an_adapter(tmp_path):
    policy = load_policy(str(save_model(tmp_path / "gpt2", "gpt2")), LORA)
    make_trainable(policy, LORA)
    answer_log_probs(policy, pack([example(5, 3)])).sum().backward()
    assert all(p.grad is not None for _, p in policy.trained())


def test_a_frozen_copy_under_lora_shares_the_weights_but_not_the_adapter(model_folder):
    policy = load_policy(str(model_folder), LORA)
    copy = frozen_copy(policy, share_weights=True)
    before = answer_log_probs(copy, pack([example(5, 3)]))
    make_trainable(policy, LORA)
    with torch.no_grad():
        for _, parameter in policy.trained():
            parameter.normal_()
    shared = {p.data_ptr() for p in policy.model.parameters()}
    assert all(p.data_ptr() in shared for p in copy.model.parameters())
    assert torch.equal(answer_log_probs(copy, pack([example(5, 3)])), before)


def test_a_frozen_copy_of_full_weights_does_not_follow_training(model_folder):
    policy = load_policy(str(model_folder), DPOConfig(tuning="full"))
    copy = frozen_copy(policy, share_weights=False)
    before = answer_log_probs(copy, pack([example(5, 3)]))
    with torch.no_grad():
        next(policy.model.parameters()).zero_()
    assert torch.equal(answer_log_probs(copy, pack([example(5, 3)])), before)
    assert not any(True for _ in copy.trained())


def test_random_weights_need_a_configuration_and_a_tokenizer_only(model_folder, tmp_path):
    folder = tmp_path / "untrained"
    folder.mkdir()
    shutil.copy(model_folder / "config.json", folder)
    build_tokenizer().save_pretrained(folder)
    config = SFTConfig(from_scratch=True, tuning="full", seed=3)
    first, again = (next(load_policy(str(folder), config).model.parameters()) for _ in range(2))
    assert torch.equal(first, again)


def test_bf16_log_probabilities_are_close_to_fp32(model_folder):
    batch = pack([example(5, 8, 9)])
    exact = answer_log_probs(load_policy(str(model_folder), LORA), batch)
    rounded = answer_log_probs(load_policy(str(model_folder), DPOConfig(precision="bf16")), batch)
    assert rounded.dtype == torch.float32
    assert torch.allclose(rounded, exact, rtol=0.05)


def test_a_folder_digest_changes_with_names_and_contents(tmp_path: Path):
    (tmp_path / "a").write_text("1")
    first = folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    second = folder_digest(tmp_path)
    (tmp_path / "b").write_text("2")
    assert len({first, second, folder_digest(tmp_path)}) == 3
