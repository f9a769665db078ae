"""Token ids of pairs as a run would see them, without loading a model: tokenizer.json and the folder's chat template.

Follows training/engine/data.py: the prompt is the template's text up to where the assistant's answer begins, the
answer is what the template adds for it, up to and including the token that ends a turn.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

Messages = list[dict[str, str]]
Ids = list[int]

# Marks that stand for a text when a template is looked at; white space around shows whether the template takes it away.
QUESTION, ANSWER = " \ue000q\ue000\n", " \ue001a\ue001\n"
GENERATION_TAG = re.compile(r"\{%(-?)\s*(end)?generation\s*(-?)%\}")


class UnusableTokenizer(Exception):
    """A folder whose tokenizer cannot count; the message says why."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a template writes around a question and its one answer."""

    before: str
    between: str
    after: str
    strips_question: bool
    strips_answer: bool

    @property
    def bytes(self) -> int:
        return len((self.before + self.between + self.after).encode())

    def prompt(self, question: str) -> str:
        return f"{self.before}{question.strip() if self.strips_question else question}{self.between}"

    def answer(self, answer: str) -> str:
        return f"{answer.strip() if self.strips_answer else answer}{self.after}"


class ChatTokenizer:
    """A model folder's tokenizer with its template; raises UnusableTokenizer."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises a bare Exception for everything
            raise UnusableTokenizer(f"The tokenizer in {folder} cannot be read ({_first_line(error)}).") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._config = _json(folder / "tokenizer_config.json")
        self.positions = int(_json(folder / "config.json").get("max_position_embeddings") or 1 << 30)
        self._template = self._compiled(folder)
        end = self._tokenizer.token_to_id(_token(self._config.get("eos_token")))
        if end is None:
            raise UnusableTokenizer(f"The tokenizer in {folder} names no token that ends a turn (eos_token).")
        self._end: int = end

    def _compiled(self, folder: Path) -> Any:
        """The template as Transformers compiles it: sandboxed, since it came with the model."""
        from jinja2 import TemplateError
        from jinja2.ext import loopcontrols
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        source = self._source(folder)
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.filters["tojson"] = json.dumps
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = datetime.now().strftime
        try:
            return environment.from_string(GENERATION_TAG.sub(_as_condition, source))
        except TemplateError as error:
            raise UnusableTokenizer(f"The chat template in {folder} cannot be read ({_first_line(error)}).") from error

    def _source(self, folder: Path) -> str:
        file = folder / "chat_template.jinja"
        source = file.read_text(encoding="utf-8") if file.is_file() else self._config.get("chat_template")
        if isinstance(source, list):  # several by name
            source = next((one["template"] for one in source if one.get("name") == "default"), None)
        if not isinstance(source, str):
            raise UnusableTokenizer(f"The tokenizer in {folder} has no chat template.")
        return source

    def render(self, messages: Messages, *, prompt: bool = False) -> str:
        """A conversation as text; `prompt` adds what comes before an answer. Raises UnusableTokenizer."""
        special = {name: _token(value) for name, value in self._config.items() if name.endswith("_token")}
        try:
            text: str = self._template.render(messages=messages, add_generation_prompt=prompt, **special)
        except Exception as error:  # a template is a program: it may fail on any conversation, in any way
            raise UnusableTokenizer(f"The chat template refuses a conversation ({_first_line(error)}).") from error
        return text

    @cached_property
    def frame(self) -> Frame | None:
        """How the template writes a question and its answer, if it writes all alike; None where that is not clear."""
        question, answer = {"role": "user", "content": QUESTION}, {"role": "assistant", "content": ANSWER}
        prompt, whole = self.render([question], prompt=True), self.render([question, answer])
        if not whole.startswith(prompt):
            return None
        ends = _split(prompt, QUESTION), _split(whole[len(prompt) :], ANSWER)
        asked, answered = ends
        if asked is None or answered is None or answered[0]:
            return None
        (before, between, strips_question), (_, after, strips_answer) = asked, answered
        return Frame(before, between, after, strips_question, strips_answer)

    def texts(self, prompt: Messages, answer: Messages) -> tuple[str, str]:
        """Prompt and answer as text, by the template itself; raises UnusableTokenizer."""
        before, whole = self.render(prompt, prompt=True), self.render([*prompt, *answer])
        if not whole.startswith(before):
            raise UnusableTokenizer("The chat template does not write a conversation as its prompt and the answer.")
        return before, whole[len(before) :]

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def lengths(self, texts: Sequence[str]) -> list[int]:
        return [len(e) for e in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    def answers(self, texts: Sequence[str]) -> list[Ids]:
        """Ids of answers, each up to its last end of a turn; an end is added where there is none."""
        return [self._ended(ids) for ids in self.ids(texts)]

    def _ended(self, ids: Ids) -> Ids:
        for place in range(len(ids) - 1, -1, -1):
            if ids[place] == self._end:
                return ids[: place + 1]
        return [*ids, self._end]


def _split(text: str, mark: str) -> tuple[str, str, bool] | None:
    """What stands before and after a mark, and whether the white space around it was taken away."""
    for wanted, stripped in ((mark, False), (mark.strip(), True)):
        if text.count(wanted) == 1:
            before, after = text.split(wanted)
            return before, after, stripped
    return None


def _as_condition(tag: re.Match[str]) -> str:
    """Transformers' {% generation %} marks answers and writes nothing itself."""
    return f"{{%{tag[1]} {'endif' if tag[2] else 'if true'} {tag[3]}%}}"


def _refuse(message: str) -> None:
    raise ValueError(message)


def _token(value: Any) -> str:
    """A special token, written as text or as an object."""
    return value.get("content", "") if isinstance(value, dict) else value or ""


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
