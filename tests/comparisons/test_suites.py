"""Making suites: what is read, what is refused with which words, and the pages."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from alignapp.accounts.models import Role
from comparisons.models import Suite
from comparisons.suites import MAX_LINE_BYTES, MAX_REJECTED, UnusableSuite, read_pasted, read_prompts
from tests.comparisons.serving_factories import make_suite
from tests.factories import make_user
from training.preferences.formats import UnreadableFile


def read(data: bytes, *, json_lines: bool = True) -> tuple[list[str], list[tuple[int, str]]]:
    """The last message of every prompt, and (line, reason) of what gave none."""
    prompts, rejected = read_prompts(io.BytesIO(data), json_lines=json_lines)
    return [messages[-1]["content"] for messages in prompts], [(line.line, line.reason) for line in rejected]


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_pasted_lines_are_prompts_and_empty_lines_are_nothing():
    prompts, rejected = read_pasted("What is one?\n\n  What is two?  \n")
    assert prompts == [
        [{"role": "user", "content": "What is one?"}],
        [{"role": "user", "content": "What is two?"}],
    ]
    assert rejected == []


def test_json_lines_hold_text_or_conversations():
    data = b'{"prompt": "One?"}\n'
    data += b'{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Two?"}]}\n'
    data += b'{"messages": [{"role": "user", "content": "Three?"}]}\n'
    assert read(data) == (["One?", "Two?", "Three?"], [])


@pytest.mark.parametrize(
    "line, reason",
    [
        (b"What?", "The row is not JSON"),
        (b"[1]", "The row must be a JSON object, found [1]."),
        (b'{"text": "What?"}', "The row has no 'prompt' or 'messages'; it has 'text'."),
        (b'{"prompt": 3}', "prompt must be text or a list of messages, found the number 3."),
        (b'{"prompt": " "}', "prompt is empty."),
        (b'{"prompt": [{"role": "assistant", "content": "Hi"}]}', "prompt must end with a user message"),
        (b'{"prompt": "caf\xe9"}', "is not valid UTF-8. Save the file as UTF-8."),
        (rb'{"prompt": "a\u0000b"}', "The prompt holds a NUL character"),
        (b'{"prompt": "Good?"}', "The same prompt stands on line 1"),
    ],
)
def test_a_line_that_gives_no_prompt_is_reported_with_its_number(line: bytes, reason: str):
    prompts, [(number, told)] = read(b'{"prompt": "Good?"}\n\n' + line + b"\n")
    assert prompts == ["Good?"]
    assert number == 3
    assert reason in told


def test_invalid_utf8_in_plain_text_is_reported_by_byte():
    _, [(number, told)] = read(b"Good?\ncaf\xe9\n", json_lines=False)
    assert (number, told) == (2, "Byte 4 (0xe9) is not valid UTF-8. Save the file as UTF-8.")


def test_a_nul_byte_in_plain_text_is_reported_and_shown():
    prompts, [rejected] = read_prompts(io.BytesIO(b"One?\na\0b\n"), json_lines=False)
    assert [prompt[0]["content"] for prompt in prompts] == ["One?"]
    assert (rejected.line, rejected.text) == (2, r"a\x00b")


def test_a_line_beyond_all_measure_is_passed_over_in_bounded_memory():
    class Endless(io.RawIOBase):
        """A 64 MiB line of one letter, then a good one."""

        left = 64 * 1024 * 1024
        largest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= 1024 * 1024 + 1
            self.largest = max(self.largest, size)
            if self.left > 0:
                size = min(size, self.left)
                self.left -= size
                return b"x" * size + (b"\n" if not self.left else b"")
            good, self.good = self.good, b""
            return good

        good = b"Good?\n"

        def read(self, size: int = -1) -> bytes:
            return b""

        def seek(self, offset: int, whence: int = 0) -> int:
            return 0

    prompts, [line] = read_prompts(Endless(), json_lines=False)  # type: ignore[arg-type]
    assert [messages[0]["content"] for messages in prompts] == ["Good?"]
    assert (line.line, line.reason) == (1, f"The line is longer than {MAX_LINE_BYTES // 1024} KiB.")
    assert len(line.text) <= 200


def test_a_file_without_any_prompt_is_refused_with_the_first_reason():
    with pytest.raises(UnusableSuite, match=r"None of the 2 lines gives a prompt. Line 1: The row is not JSON"):
        read(b"a,b\n1,2\n")


def test_a_file_of_empty_lines_is_refused():
    with pytest.raises(UnusableSuite, match="every line is empty"):
        read(b"\n \n")


def test_a_file_that_is_mostly_something_else_is_refused_as_a_whole():
    with pytest.raises(UnusableSuite, match=r"More than 2,000 lines give no prompt.*Nothing was stored"):
        read(b'{"prompt": "Good?"}\n' + b"x\n" * (MAX_REJECTED + 1))


def test_a_parquet_file_is_named_as_such():
    with pytest.raises(UnreadableFile, match="This is a Parquet file"):
        read(b"PAR1....")


# --- Pages ------------------------------------------------------------------------------------------------------------

pages = pytest.mark.django_db


@pytest.fixture
def researcher(client: Client) -> Client:
    client.force_login(make_user())
    return client


def post(client: Client, **fields: Any) -> Any:
    return client.post(reverse("suite-new"), {"name": "Mine", "stratum": "other", "prompts": ""} | fields)


@pages
def test_pasted_prompts_become_a_suite(researcher: Client):
    answer = post(researcher, prompts="One?\r\nTwo?\r\nOne?")
    suite = Suite.objects.get()
    assert answer.url == suite.get_absolute_url() == "/suites/mine/"
    assert [prompt.messages[0]["content"] for prompt in suite.prompts.all()] == ["One?", "Two?"]
    page = researcher.get(answer.url).content.decode()
    assert "Lines that gave no prompt" in page
    assert "The same prompt stands on line 1" in page


@pages
def test_an_uploaded_file_becomes_a_suite_and_its_bad_lines_are_told(researcher: Client):
    file = SimpleUploadedFile("prompts.jsonl", b'{"prompt": "One?"}\nnonsense\n')
    page = researcher.get(post(researcher, file=file).url).content.decode()
    assert "One?" in page
    assert "The row is not JSON" in page


@pages
@pytest.mark.parametrize(
    "fields, told",
    [
        ({}, "Either paste prompts or choose a file"),
        ({"prompts": "One?", "file": SimpleUploadedFile("a.txt", b"Two?")}, "Either paste prompts or choose a file"),
        ({"file": SimpleUploadedFile("a.jsonl", b"")}, "The file is empty: it holds 0 bytes"),
        ({"file": SimpleUploadedFile("a.jsonl", b"a,b\n")}, "None of the 1 lines gives a prompt"),
        ({"file": SimpleUploadedFile("a.jsonl", b"PK\x03\x04")}, "This is a zip archive"),
        ({"prompts": "x" * 500_001}, "At most 500,000 characters can be pasted"),
    ],
)
def test_what_makes_no_suite_is_said_and_nothing_is_stored(researcher: Client, fields: dict[str, Any], told: str):
    answer = post(researcher, **fields)
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert not Suite.objects.exists()


@pages
def test_a_name_that_is_taken_is_said(researcher: Client):
    make_suite("One?", name="Mine")
    assert "There is a suite of this name already" in post(researcher, prompts="Two?").content.decode()


@pages
def test_the_list_tells_sizes_with_three_queries_at_most_per_page(
    researcher: Client, django_assert_max_num_queries: Any
):
    for number in range(5):
        make_suite("One?", "Two?", name=f"Suite {number}")
    with django_assert_max_num_queries(5):
        page = researcher.get(reverse("suites")).content.decode()
    assert page.count('<td class="num">2</td>') == 5


@pages
@pytest.mark.parametrize("name", ["suites", "suite-new"])
def test_annotators_see_no_suites(client: Client, name: str):
    client.force_login(make_user(role=Role.ANNOTATOR))
    assert client.get(reverse(name)).status_code == 403


@pages
def test_a_suite_is_held_for_evaluation_and_released_again(researcher: Client):
    post(researcher, prompts="One?", held_for_evaluation="on")
    suite = Suite.objects.get()
    assert suite.held_for_evaluation
    page = researcher.get(suite.get_absolute_url()).text
    assert "Release it" in page
    address = reverse("suite-hold", args=[suite.slug])
    for held in ("no", "yes"):
        researcher.post(address, {"held": held})
        suite.refresh_from_db()
        assert suite.held_for_evaluation is (held == "yes")
    assert researcher.get(address).status_code == 405
