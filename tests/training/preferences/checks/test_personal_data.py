"""Personal data: what has the form and the checksum is found, what only looks like it is not."""

from __future__ import annotations

import pytest

from tests.training.preferences.checks.examining import examined, found_by
from tests.training.preferences.pairs import pair
from training.preferences.checks.findings import Level
from training.preferences.checks.personal_data import masked, personal_data

FOUND = [
    ("e-mail address", "write to jane.doe@acme-corp.co.uk please"),
    ("telephone number", "call +49 30 901820 now"),
    ("telephone number", "call (212) 736-5000 now"),
    ("telephone number", "ring 030 9018200 now"),
    ("IBAN", "to DE89 3704 0044 0532 0130 00 by Friday"),
    ("IBAN", "to GB82WEST12345698765432 by Friday"),
    ("card number", "card 4111 1111 1111 1111, please"),
    ("card number", "card 5500-0000-0000-0004."),
    ("IP address", "the host 81.2.69.142 answered"),
    ("IP address", "the host 2a00:1450:4001:81b::200e answered"),
]
NOT_FOUND = [
    "write to user@example.com or a@b",
    "call 555-555-0123, as in films: 212-555-0123",
    "in 2019-2020 we sold 1,234,567 pieces at 12.50",
    "to DE89 3704 0044 0532 0130 01 by Friday",  # one digit off: the remainder by 97 is not 1
    "card 4111 1111 1111 1112",  # one digit off: Luhn's sum is 31
    "order 1234567890123456 of 2024-01-02 10:11:12",
    "localhost 127.0.0.1, 192.168.1.1, 10.0.0.8 and 999.1.1.1",
    "section 1.2.3.4.5 and at 12:30:45:10",
]


@pytest.mark.parametrize("kind, text", FOUND)
def test_what_has_the_form_is_found_in_prompt_and_answers(tmp_path, kind, text):
    pairs = [pair("a", text, "b"), pair("c", "d", "e"), pair(text, "f", "g")]
    found = found_by(personal_data, pairs, tmp_path)["personal_data"]
    assert found.rows == (0, 2)
    assert [row[:3] for row in found.picture["rows"]] == [[kind, 2, 2]]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_only_looks_like_it_is_not_found(tmp_path, text):
    assert found_by(personal_data, [pair("a", text, "b")], tmp_path) == {}


def test_the_report_shows_no_whole_address():
    assert masked("jane@acme.com") == "j•••@••••.••m"


def test_one_address_in_many_rows_is_a_remark_and_one_card_a_warning(tmp_path):
    """1 of 2,000 rows is 0.05 %, and its interval begins at 0.009 %: below 0.1 %."""
    clean = [pair(f"q{n}") for n in range(1_999)]
    mail = found_by(personal_data, [*clean, pair("x", "jane@acme.org")], tmp_path / "a")["personal_data"]
    card = found_by(personal_data, [*clean, pair("x", "4111 1111 1111 1111")], tmp_path / "b")["personal_data"]
    assert (mail.level, card.level) == (Level.INFO, Level.WARNING)


def test_the_rows_of_each_kind_can_be_asked_for(tmp_path):
    mail, card = "to jane@acme-corp.com", "card 4111 1111 1111 1111"
    survey = examined(personal_data, [pair("a", mail, "b"), pair("c", f"{mail}, {card}", "d"), pair("e")], tmp_path)
    found = survey.found.rows
    assert found["personal_data"].rows.tolist() == [0, 1]
    assert found["personal_data: e-mail address"].rows.tolist() == [0, 1]
    assert found["personal_data: card number"].rows.tolist() == [1]
    [finding] = survey.found
    assert finding.picture is not None
    assert finding.picture["filters"][1] == {"finding": "personal_data: card number"}
