"""The folder of a reward model: what stock libraries make of it, and which folders are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForSequenceClassification, GraniteConfig, GraniteForCausalLM

from tests.training.engine.conftest import build_tokenizer, example, save_model
from training.config import RewardModelConfig
from training.engine.errors import EngineError
from training.engine.packing import Batch
from training.engine.policy import Policy, frozen_copy, load_policy, make_trainable
from training.engine.reward import RewardModel, load_reward_model
from training.engine.reward_artifacts import describe_base, fresh_head, read_facts, save

PAIRS = [example(5, 4, 7), example(3, 6, 2, first=60), example(9, 1, 3, first=110)]


def config_of(tuning: str, **settings: object) -> RewardModelConfig:
    return RewardModelConfig(tuning=tuning, lora_rank=4, lora_alpha=8.0, **settings)


def moved_model(base: Policy, tuning: str) -> RewardModel:
    """A reward model whose every trained weight differs from where it started."""
    body = frozen_copy(base, share_weights=tuning == "lora")
    make_trainable(body, config_of(tuning))
    model = RewardModel(body, fresh_head(body, 0), shift=0.3, scale=1.7, temperature=0.8)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.trained().values():
            parameter += 0.05 * torch.randn_like(parameter)
    return model


def saved(folder: Path, model_folder: Path, tuning: str, *, members: int = 1) -> tuple[RewardModel, Policy]:
    base = load_policy(str(model_folder), config_of(tuning))
    model = moved_model(base, tuning)
    facts = describe_base(str(model_folder), base)
    for member in range(2, members + 1):
        save(model, folder / "members" / str(member), facts)
    save(model, folder, {**facts, "members": members})
    return model, base


def scored(model: RewardModel, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model.scores(batch)


def stock_scores(classifier: torch.nn.Module, padding: int | None) -> torch.Tensor:
    """Scores of every answer by a sequence classification model; padded together where it knows its padding."""
    rows = [torch.tensor(pair.prompt + answer) for pair in PAIRS for answer in pair.answers]
    with torch.no_grad():
        if padding is None:
            return torch.cat([classifier(input_ids=row[None]).logits.flatten() for row in rows])
        tokens = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=padding)
        return classifier(input_ids=tokens, attention_mask=(tokens != padding).long()).logits.flatten()


@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_stock_peft_and_transformers_give_the_same_raw_scores(tmp_path, kind, tuning):
    base_folder = save_model(tmp_path / "base", kind)
    model, base = saved(tmp_path / "reward", base_folder, tuning)
    with torch.no_grad():
        raw = model.raw_scores(base.collate(PAIRS))
    if tuning == "full":
        classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward", dtype=torch.float32)
        assert classifier.config.num_labels == 1
    else:
        whole = AutoModelForSequenceClassification.from_pretrained(base_folder, num_labels=1, pad_token_id=0)
        classifier = PeftModel.from_pretrained(whole, tmp_path / "reward")
    torch.testing.assert_close(stock_scores(classifier.eval(), padding=0), raw, rtol=0, atol=1e-5)


def test_where_padding_is_the_end_token_the_saved_model_takes_one_sequence_and_its_end(tmp_path):
    """Transformers takes the last token that is not padding: with pad = end it would score the token before the end."""
    folder = tmp_path / "base"
    save_model(folder)
    tokenizer = build_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(folder)
    model, base = saved(tmp_path / "reward", folder, "full")
    classifier = AutoModelForSequenceClassification.from_pretrained(tmp_path / "reward").eval()
    ended = (*PAIRS[0].answers[0], tokenizer.eos_token_id)
    row = type(PAIRS[0])(PAIRS[0].prompt, (ended,))
    with torch.no_grad():
        expected = model.raw_scores(base.collate([row]))
        found = classifier(input_ids=torch.tensor([PAIRS[0].prompt + ended])).logits.flatten()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def save_granite(folder: Path) -> Path:
    """An architecture for which Transformers has no sequence classification."""
    tokenizer = build_tokenizer()
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = GraniteConfig(vocab_size=len(tokenizer), eos_token_id=1, pad_token_id=0, **size)
    GraniteForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "tuning, architecture, kind",
    [("lora", save_model, "adapter"), ("full", save_model, "model"), ("full", save_granite, "weights")],
)
def test_a_loaded_reward_model_scores_as_the_saved_one_bit_for_bit(tmp_path, tuning, architecture, kind):
    model, base = saved(tmp_path / "reward", architecture(tmp_path / "base"), tuning)
    batch = base.collate(PAIRS)
    before = base.hidden_states(batch)
    loaded = load_reward_model(tmp_path / "reward", base)
    assert read_facts(tmp_path / "reward")["kind"] == kind
    assert torch.equal(scored(loaded, batch), scored(model, batch))
    assert torch.equal(base.hidden_states(batch), before), "the base was changed"
    assert not any(p.requires_grad for p in loaded.trained().values())


def test_an_adapter_shares_the_weights_of_its_base(tmp_path, model_folder):
    _, base = saved(tmp_path / "reward", model_folder, "lora")
    loaded = load_reward_model(tmp_path / "reward", base)
    assert loaded.body.model.get_input_embeddings().weight is base.model.get_input_embeddings().weight


def test_an_ensemble_gives_a_row_of_scores_per_member_and_its_first_is_the_score(tmp_path, model_folder):
    _, base = saved(tmp_path / "reward", model_folder, "lora", members=2)
    loaded, batch = load_reward_model(tmp_path / "reward", base), base.collate(PAIRS)
    assert loaded.member_scores(batch).shape == (2, 6)
    assert torch.equal(loaded.member_scores(batch)[0], loaded.scores(batch))
    assert load_reward_model(tmp_path / "reward", base, every_member=False).others == ()


def test_another_base_is_refused(tmp_path, model_folder):
    saved(tmp_path / "reward", model_folder, "lora")
    other = load_policy(str(model_folder), config_of("lora"))
    with torch.no_grad():
        other.model.get_input_embeddings().weight += 1
    with pytest.raises(EngineError, match="trained over another base"):
        load_reward_model(tmp_path / "reward", other)


def test_the_same_base_in_bf16_is_not_another_base(tmp_path, model_folder):
    saved(tmp_path / "reward", model_folder, "lora")
    half = load_policy(str(model_folder), config_of("lora", precision="bf16"))
    assert scored(load_reward_model(tmp_path / "reward", half), half.collate(PAIRS)).isfinite().all()


def test_the_same_weights_with_other_tokens_are_another_base(tmp_path, model_folder):
    saved(tmp_path / "reward", model_folder, "lora")
    other = load_policy(str(model_folder), config_of("lora"))
    other.tokenizer.add_tokens(["<new>"])
    with pytest.raises(EngineError, match="trained over another base"):
        load_reward_model(tmp_path / "reward", other)


def test_another_vocabulary_is_refused(tmp_path, model_folder):
    saved(tmp_path / "reward", model_folder, "lora")
    larger = load_policy(str(model_folder), config_of("lora"))
    larger.model.resize_token_embeddings(321)
    with pytest.raises(EngineError, match="vocabulary of 320 tokens, the base has 321"):
        load_reward_model(tmp_path / "reward", larger)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, model_folder):
    folder = tmp_path_factory.mktemp("whole") / "reward"
    return folder, saved(folder, model_folder, "lora", members=2)[1]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "reward.json").unlink(),
        lambda folder: cut(folder / "reward.json"),
        lambda folder: cut(folder / "adapter_model.safetensors"),
        lambda folder: (folder / "tokenizer.json").unlink(),
        lambda folder: shutil.rmtree(folder / "members"),
    ],
    ids=["no facts", "facts cut", "weights cut", "no tokenizer", "a member gone"],
)
def test_a_torn_folder_is_refused(tmp_path, whole, damage):
    folder, base = whole
    copied = shutil.copytree(folder, tmp_path / "reward")
    damage(copied)
    with pytest.raises(EngineError, match="holds no whole reward model") as refused:
        load_reward_model(copied, base)
    assert refused.value.remedy


def test_the_three_scales_of_a_score(whole):
    """shift 0.3, scale 1.7, temperature 0.8: calibrated = (raw - 0.3) / 1.7; log-odds = raw gap / 0.8."""
    folder, base = whole
    model, batch = load_reward_model(folder, base), base.collate(PAIRS)
    with torch.no_grad():
        raw = model.raw_scores(batch)
    torch.testing.assert_close(scored(model, batch), (raw - 0.3) / 1.7)
    gaps = scored(model, batch)[0::2] - scored(model, batch)[1::2]
    torch.testing.assert_close(model.log_odds(gaps), (raw[0::2] - raw[1::2]) / 0.8)


def test_a_base_with_an_adapter_is_a_mistake_of_the_caller(whole):
    folder, base = whole
    adapted = frozen_copy(base, share_weights=True)
    make_trainable(adapted, config_of("lora"))
    with pytest.raises(ValueError, match="without an adapter"):
        load_reward_model(folder, adapted)


def test_the_adapter_names_the_base_it_was_trained_over(whole, model_folder):
    adapter = json.loads((whole[0] / "adapter_config.json").read_text())
    assert (adapter["task_type"], adapter["base_model_name_or_path"]) == ("SEQ_CLS", str(model_folder))
    assert adapter["modules_to_save"] == ["score"]
