"""Samples of production prompts: what is read, what is refused, what is kept."""

from __future__ import annotations

import io
import json

import pytest
from django.conf import settings

from training.models import PromptSample
from training.preferences import prompt_sets, samples
from training.preferences.formats import UnreadableFile
from training.preferences.records import Message
from training.preferences.refused import read_refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)
    return tmp_path


def stored(content: bytes, *, json_lines: bool = True) -> PromptSample:
    return samples.store("Production", io.BytesIO(content), json_lines=json_lines)


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_prompts_are_kept_in_order_and_as_often_as_they_came():
    sample = stored(lines({"prompt": "b"}, {"prompt": "a"}, {"prompt": "b"}))
    assert [prompt[0].content for prompt in samples.prompts_of(sample)] == ["b", "a", "b"]
    assert sample.prompts == 3


def test_a_prompt_may_be_text_or_a_conversation():
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    sample = stored(lines({"messages": turns}, {"prompt": "Hi", "other": 1}))
    assert list(samples.prompts_of(sample)) == [
        (Message("system", "Be brief."), Message("user", "Hi")),
        (Message("user", "Hi"),),
    ]


def test_plain_text_gives_one_prompt_a_line():
    sample = stored("\ufeffgrüße\n\n zwei \n".encode(), json_lines=False)
    assert [prompt[0].content for prompt in samples.prompts_of(sample)] == ["grüße", "zwei"]


def test_every_line_gives_a_prompt_or_is_listed_with_its_reason():
    content = (
        lines({"prompt": "a"}, {"question": "b"}) + b"{broken\n\n\xff\n" + b'{"prompt": "' + b"x" * 2**20 + b'"}\n'
    )
    sample = stored(content)
    refused = read_refused(samples.refused_path(sample), 10)
    assert (sample.prompts, sample.rejected) == (1, 4)
    assert [refusal.line for refusal in refused] == [2, 3, 5, 6]
    assert "'question'" in refused[0].reason


@pytest.mark.parametrize("content", [b"", b"\n\n", b'{"question": 1}\n', b"[\n"])
def test_a_file_without_a_prompt_leaves_nothing_behind(content, home):
    with pytest.raises(samples.UnusableSample):
        stored(content)
    assert not PromptSample.objects.exists()
    assert not list((home / "samples").iterdir())


def test_a_packed_file_is_refused_by_its_kind():
    with pytest.raises(UnreadableFile, match="gzip"):
        stored(b"\x1f\x8b123")


def test_more_prompts_than_a_sample_holds_are_refused(monkeypatch, home):
    monkeypatch.setattr(samples, "MOST_PROMPTS", 2)
    with pytest.raises(samples.UnusableSample, match="at most 2"):
        stored(b"a\nb\nc\n", json_lines=False)
    assert not list((home / "samples").iterdir())


def test_reports_can_choose_a_sample():
    sample = stored(lines({"prompt": "a"}))
    [found] = [found for found in prompt_sets.available() if found.key.startswith("sample:")]
    assert (found.key, found.label, found.size) == (f"sample:{sample.pk}", "Production", 1)
    assert list(prompt_sets.prompts(found.key)) == [(Message("user", "a"),)]


@pytest.mark.parametrize("key", ["sample:999", "sample:x"])
def test_a_sample_that_is_gone_is_a_key_error(key):
    with pytest.raises(KeyError):
        prompt_sets.prompts(key)
