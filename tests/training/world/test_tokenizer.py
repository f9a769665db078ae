"""The model folder: loads in Transformers, writes any text, and ends an answer with its own token."""

import json

import pytest
import transformers

from training.world.demonstrations import demonstrations
from training.world.tokenizer import BEGIN, END, PAD, Shape, train_tokenizer, write_model_folder


@pytest.fixture(scope="session")
def folder(world, prompts, tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "model"
    write_model_folder(path, [text for row in demonstrations(world, prompts) for text in row.values()])
    return path


def test_transformers_loads_the_tokenizer_and_its_chat_template(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": "Name the capital of Orla."}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|begin|><|user|>Name the capital of Orla.<|end|><|assistant|>"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert (tokenizer.pad_token, tokenizer.bos_token, tokenizer.eos_token) == (PAD, BEGIN, END)


def test_transformers_builds_the_model_of_the_config(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) < 1_000_000
    assert config.max_position_embeddings == 512
    assert config.vocab_size % 64 == 0


def test_any_text_can_be_written_and_read_back():
    """Bytes are the alphabet, so text that the merges never saw survives."""
    tokenizer = train_tokenizer(["What is the capital of Orla?"], 300)
    text = "Grüße, 東京 🏝 \n  and  blanks"
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_every_special_token_is_one_token(folder):
    content = json.loads((folder / "tokenizer.json").read_text())
    special = [token["content"] for token in content["added_tokens"]]
    assert special == ["<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]


def test_the_same_texts_give_the_same_files(world, prompts, folder, tmp_path):
    write_model_folder(tmp_path, [text for row in demonstrations(world, prompts) for text in row.values()])
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_the_model_covers_the_vocabulary(folder):
    config = json.loads((folder / "config.json").read_text())
    assert len(json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]) <= config["vocab_size"]
    assert config["vocab_size"] <= Shape().vocabulary + 64
