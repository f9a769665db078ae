"""Configurations refuse what they cannot mean in sentences, whatever is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from training.config import parse_config


def refusal(method: str, **values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        parse_config(method, values)
    [error] = caught.value.errors()
    return str(error["msg"])


@pytest.mark.parametrize("precision", ["fp16", "double", 16, [], {}])
def test_a_precision_that_there_is_not_is_refused(precision):
    """Also a list, which no set can hold: an API may be sent anything."""
    assert refusal("dpo", precision=precision)


@pytest.mark.parametrize(
    "line, reason",
    [
        ("sorry nan x", "'nan' is no finite number"),
        ("sorry -1e999 x", "'-1e999' is no finite number"),
        ("sorry half x", "'half' is no finite number"),
        ("sorry 1 (", "'(' is no regular expression (missing ) at position 1)"),
    ],
)
def test_a_rule_is_refused_in_one_sentence(line, reason):
    assert refusal("rlhf", rules=line) == f"Value error, rules holds {line!r}: {reason}"


def test_the_number_of_a_rule_is_read_as_one():
    [rule] = parse_config("rlhf", {"rules": "apology -0.5 (?i)i am sorry"}).reward_rules  # type: ignore[attr-defined]
    assert (rule.name, rule.value, rule.pattern) == ("apology", -0.5, "(?i)i am sorry")
