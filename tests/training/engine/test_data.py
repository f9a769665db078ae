"""Sealed rows to token ids: template, truncation, dropped rows, and the order in which steps visit them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.engine.conftest import assistant, build_tokenizer, colour_rows, events, open_run, user
from training.config import DPOConfig
from training.engine.data import Examples, Order, Template, load_examples
from training.engine.errors import EngineError
from training.engine.policy import load_policy


def load(folder: Path, *, paired: bool = True) -> Examples:
    run = open_run(folder)
    return load_examples(run, load_policy(run.spec.model_path, run.training), paired=paired)


def pair(prompt: str, chosen: str, rejected: str | None, split: str = "train") -> dict:
    other = None if rejected is None else assistant(rejected)
    return {"prompt": user(prompt), "chosen": assistant(chosen), "rejected": other, "split": split}


def notices(folder: Path) -> str:
    return " ".join(event["message"] for event in events(folder, "notice"))


def test_an_answer_is_what_the_template_adds_up_to_its_end():
    tokenizer = build_tokenizer()
    [prompt], [answer] = Template(tokenizer).encode([user("Which colour?")], [assistant("It is red.")])
    assert tokenizer.decode(prompt) == "<|user|>Which colour?<|end|><|assistant|>"
    assert tokenizer.decode(answer) == "It is red.<|end|>"


def test_what_a_template_writes_after_the_end_is_not_learnt():
    tokenizer = build_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|end|>\n")
    _, [answer] = Template(tokenizer).encode([user("Which?")], [assistant("Red.")])
    assert tokenizer.decode(answer) == "Red.<|end|>"


def test_a_template_without_an_end_gets_one():
    tokenizer = build_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "")
    _, [answer] = Template(tokenizer).encode([user("Which?")], [assistant("Red.")])
    assert tokenizer.decode(answer) == "Red.<|end|>"


def test_a_template_that_rewrites_the_prompt_is_refused():
    tokenizer = build_tokenizer()
    tokenizer.chat_template = "{{ messages | length }}" + tokenizer.chat_template
    with pytest.raises(EngineError, match="does not write a conversation as its prompt followed by the answer"):
        Template(tokenizer).encode([user("Which?")], [assistant("Red.")])


def test_rows_go_to_the_split_they_were_sealed_for(make_run):
    examples = load(make_run("dpo", rows=colour_rows(20, held_out=5)))
    assert (len(examples.train), len(examples.held_out), len(examples.shown_prompts)) == (15, 5, 5)


def test_long_answers_are_cut_and_counted(make_run):
    long = "red " * 60
    folder = make_run("dpo", rows=[pair("Which?", long, "Blue."), pair("Which?", "Red.", "Blue.")], max_length=32)
    examples = load(folder)
    assert len(examples.train[0].prompt) + len(examples.train[0].answers[0]) == 32
    assert "1 rows are longer than 32 tokens" in notices(folder)


def test_pairs_that_truncation_makes_identical_are_dropped_and_counted(make_run):
    same = "white " * 40
    folder = make_run(
        "dpo", rows=[pair("Which?", same + "a", same + "b"), pair("Which?", "Red.", "Blue.")], max_length=32
    )
    assert len(load(folder).train) == 1
    assert "Dropped 1 of 2 rows: identical after truncation." in notices(folder)


def test_pairs_whose_prompt_leaves_no_room_are_dropped_and_counted(make_run):
    folder = make_run(
        "dpo", rows=[pair("stone " * 60, "Red.", "Blue."), pair("Which?", "Red.", "Blue.")], max_length=32
    )
    assert len(load(folder).train) == 1
    assert "Dropped 1 of 2 rows: empty after truncation." in notices(folder)


def test_rows_without_a_rejected_answer_are_dropped_for_pairs_and_kept_for_demonstrations(make_run):
    rows = [pair("Which?", "Red.", None), pair("Which?", "Red.", "Blue.")]
    folder = make_run("dpo", rows=rows)
    assert len(load(folder).train) == 1
    assert "Dropped 1 of 2 rows: no rejected answer." in notices(folder)
    assert len(load(folder, paired=False).train) == 2


def test_data_without_a_usable_row_is_refused_with_the_reasons(make_run):
    with pytest.raises(EngineError, match="None of the 1 rows can be trained on: 1 identical after truncation"):
        load(make_run("dpo", rows=[pair("Which?", "Red.", "Red.")]))


def test_a_changed_data_file_is_refused(make_run):
    with pytest.raises(EngineError, match="has changed"):
        load(make_run("dpo", sha256="0" * 64))


def test_the_context_of_the_model_limits_the_length(make_run, tmp_path):
    from tests.training.engine.conftest import save_model

    model = save_model(tmp_path / "short", positions=24)
    examples = load(make_run("dpo", rows=[pair("Which?", "red " * 40, "Blue.")], model=model, max_length=64))
    assert len(examples.train[0].prompt) + len(examples.train[0].answers[0]) == 24


def test_every_epoch_visits_every_row_once():
    order = Order(rows=10, batch_size=4, epochs=2, max_steps=0, seed=0)
    visits = [row for step in range(order.steps) for row in order.batch(step)]
    assert order.steps == 5
    assert sorted(visits[:10]) == sorted(visits[10:]) == list(range(10))
    assert visits[:10] != visits[10:]


def test_what_does_not_fill_a_last_batch_is_spread_over_the_steps():
    order = Order(rows=10, batch_size=4, epochs=0.5, max_steps=0, seed=0)
    assert [len(order.batch(step)) for step in range(order.steps)] == [2, 3]


def test_a_step_limit_overrides_the_epochs():
    order = Order(rows=3, batch_size=2, epochs=1, max_steps=7, seed=0)
    assert order.steps == 7
    assert all(len(order.batch(step)) == 2 for step in range(7))


def test_the_order_depends_on_the_seed_alone():
    first, same, other = (Order(50, 50, 1, 0, seed).batch(0) for seed in (1, 1, 2))
    assert first == same != other


def test_defaults_of_the_configuration_make_an_order():
    examples = Examples(train=[None] * 64)  # type: ignore[list-item]
    assert examples.order(DPOConfig()).steps == 2


def test_labels_margins_and_row_numbers_come_with_the_examples(make_run):
    rows = [pair("Which?", "Red.", None), pair("Which?", "Red.", "Blue.") | {"label": 0.8, "margin": 2.0}]
    [example] = load(make_run("dpo", rows=rows)).train
    assert (example.label, example.margin, example.row) == (0.8, 2.0, 1)


def test_versions_from_before_labels_and_margins_are_certain_of_their_pairs(make_run, tmp_path):
    import hashlib
    import json

    import pyarrow.parquet as pq

    folder, old = make_run("dpo"), tmp_path / "old.parquet"
    spec = json.loads((folder / "config.json").read_text())
    pq.write_table(pq.read_table(spec["data_path"]).drop_columns(["label", "margin"]), old)
    spec |= {"data_path": str(old), "data_sha256": hashlib.sha256(old.read_bytes()).hexdigest()}
    (folder / "config.json").write_text(json.dumps(spec))
    assert {(example.label, example.margin) for example in load(folder).train} == {(1.0, 0.0)}


def test_the_rows_that_are_visited_are_those_of_the_steps():
    for order in (Order(50, 8, 1, 3, 0), Order(50, 8, 0.3, 0, 1), Order(10, 8, 1, 9, 0)):
        seen = {row for step in range(order.steps) for row in order.batch(step)}
        assert order.visited() == sorted(seen)
