"""Embeddings of texts by a model, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from training.engine.embeddings import batches, embed, load
from training.engine.errors import EngineError
from training.preferences.coverage import embeddings

TEXTS = ["red", "red green blue blue red", "green blue", "", "blue " * 400]


def test_an_embedding_is_the_mean_of_the_states_of_a_texts_own_tokens(model_folder: Path):
    tokenizer, model = load(model_folder)
    found = embed(TEXTS[:3], tokenizer, model)
    for text, vector in zip(TEXTS, found, strict=False):
        with torch.inference_mode():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        np.testing.assert_allclose(vector, states.mean(dim=0).cpu().numpy(), rtol=1e-4, atol=1e-5)


def test_a_sentence_encoder_embeds_too(model_folder: Path, tmp_path: Path):
    """Any model with hidden states will do: here one of the kind of BERT, which is no policy."""
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    found = embed(TEXTS[:3], *load(tmp_path))
    assert found.shape == (3, 16)
    assert np.isfinite(found).all()


def test_batches_hold_every_text_that_has_tokens_once_the_shortest_first():
    """8,192 padded tokens at most: 3 and 4,000 tokens make 8,000, a third text of 5,000 would make 15,000."""
    assert list(batches([5_000, 0, 3, 4_000])) == [[2, 3], [0]]


def test_a_folder_without_a_model_is_refused_with_a_sentence(tmp_path: Path):
    with pytest.raises(EngineError, match="cannot be loaded"):
        load(tmp_path)


def test_the_process_embeds_all_texts_and_says_how_far_it_is(model_folder: Path, tmp_path: Path):
    said: list[str] = []
    vectors = embeddings.embed(TEXTS, str(model_folder), tmp_path, said.append)
    assert vectors.shape == (5, 32)
    assert not vectors[3].any()
    assert np.isfinite(vectors).all()
    assert "embedded 5 of 5 prompts" in said


def test_a_process_that_takes_too_long_is_ended(model_folder: Path, tmp_path: Path):
    with pytest.raises(embeddings.NotEmbedded, match="took longer"):
        embeddings.embed(TEXTS, str(model_folder), tmp_path, lambda _: None, seconds=0.2)
