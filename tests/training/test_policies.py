"""What a model folder must hold before a run may start from it."""

import json
from pathlib import Path

import pytest

from training import policies
from training.digests import folder_digest
from training.models import PolicyKind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that has everything; the weights are never read here."""
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return tmp_path


@pytest.mark.django_db
def test_a_complete_folder_is_registered_under_its_digest(folder: Path):
    policy = policies.register_base("My model", str(folder), None)
    assert policy.digest == folder_digest(folder)
    assert (policy.kind, policy.served_name) == (PolicyKind.BASE, f"base-my-model-{policy.digest[:8]}")


@pytest.mark.django_db
def test_the_same_files_under_the_same_name_are_registered_once(folder: Path):
    policies.register_base("My model", str(folder), None)
    with pytest.raises(policies.UnusableModel, match="already"):
        policies.register_base("My model", str(folder), None)


def test_the_digest_changes_with_a_file_and_with_a_name(folder: Path):
    before = folder_digest(folder)
    (folder / "model.safetensors").write_bytes(b"other weights")
    changed = folder_digest(folder)
    (folder / "model.safetensors").rename(folder / "renamed.safetensors")
    assert len({before, changed, folder_digest(folder)}) == 3


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path):
    with pytest.raises(policies.UnusableModel, match=r"There is no folder .*missing"):
        policies.register_base("x", str(tmp_path / "missing"), None)


@pytest.mark.parametrize(
    "missing,sentence",
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no .safetensors file"),
        ("tokenizer_config.json", "no tokenizer_config.json"),
    ],
)
def test_a_missing_file_is_named(folder: Path, missing: str, sentence: str):
    (folder / missing).unlink()
    with pytest.raises(policies.UnusableModel, match=sentence):
        policies.register_base("x", str(folder), None)


def test_a_model_that_is_not_causal_is_refused(folder: Path):
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(policies.UnusableModel, match="no causal language model"):
        policies.register_base("x", str(folder), None)


def test_a_tokenizer_without_chat_template_is_refused(folder: Path):
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(policies.UnusableModel, match="no chat template"):
        policies.register_base("x", str(folder), None)


def test_broken_json_is_named(folder: Path):
    (folder / "config.json").write_text("{")
    with pytest.raises(policies.UnusableModel, match="not valid JSON"):
        policies.register_base("x", str(folder), None)


def test_a_hub_name_is_refused_offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(policies.UnusableModel, match="HF_HUB_OFFLINE forbids"):
        policies.register_base("x", "someone/some-model", None)


@pytest.mark.django_db
def test_an_architecture_without_weights_can_be_registered_for_training_from_scratch(folder: Path):
    (folder / "model.safetensors").unlink()
    assert policies.register_untrained("Empty", folder, None).kind == PolicyKind.UNTRAINED


@pytest.mark.parametrize(
    "location,sentence",
    [
        ("~nobody-of-this-name/model", "home folder that nobody has"),
        ("/" + "a" * 300, "cannot be read: File name too long"),
        ("a" * 300, "cannot be read: File name too long"),
    ],
)
def test_a_path_that_cannot_be_looked_at_is_refused_in_a_sentence(location: str, sentence: str):
    with pytest.raises(policies.UnusableModel, match=sentence):
        policies.register_base("x", location, None)


def test_a_config_that_is_no_object_is_refused(folder: Path):
    (folder / "config.json").write_text("[1]")
    with pytest.raises(policies.UnusableModel, match="holds no JSON object"):
        policies.register_base("x", str(folder), None)


@pytest.mark.parametrize("location", ["my model", "https://example.org/model", "models/sub/model", "-x/y", "../gone"])
def test_what_can_be_no_name_on_the_hub_is_refused(monkeypatch: pytest.MonkeyPatch, location: str):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(policies.UnusableModel, match="no model on the hub can be called so"):
        policies.register_base("x", location, None)


@pytest.mark.django_db
@pytest.mark.parametrize("location", ["Qwen/Qwen2.5-0.5B-Instruct", "gpt2"])
def test_a_name_on_the_hub_is_registered_as_it_is(monkeypatch: pytest.MonkeyPatch, location: str):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert policies.register_base("x", location, None).location == location
