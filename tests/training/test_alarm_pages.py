"""Alarms on the run page: cause, evidence, definition, remedy; and their number in the lists of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from tests.factories import make_run, make_user, make_version
from training.models import DatasetVersion, Run, RunMetric
from training.preferences.records import Message, Pair
from training.preferences.sealing import seal_pairs
from training.preferences.splits import PromptSplit
from training.runs import alarms, curves, queue, trainer_events

pytestmark = pytest.mark.django_db

LOOKS = [0, 20, 40, 60]
REGION = {
    "held_out/undesirable_share": [0.0, 0.21, 0.2, 0.21],
    "held_out/pessimistic_share": [0.53] * 4,
    "held_out/ranking_accuracy": [0.47, 0.5, 0.55, 0.6],
}
HEALTHY = REGION | {"held_out/undesirable_share": [0.0, 0.04, 0.02, 0.02]}


@pytest.fixture
def ada(client):
    """A researcher's browser."""
    client.force_login(make_user("ada"))
    return client


@pytest.fixture
def version(settings, tmp_path: Path) -> DatasetVersion:
    """Four pairs about things and their colours."""
    settings.HOME = tmp_path
    (tmp_path / "datasets").mkdir()
    said = lambda role, text: (Message(role, text),)  # noqa: E731
    pairs = [
        Pair(said("user", f"What colour is thing {n}?"), said("assistant", f"Red {n}."), said("assistant", f"No {n}."))
        for n in range(4)
    ]
    sealed = seal_pairs(pairs, tmp_path / "datasets", PromptSplit(0.5))
    return make_version(sha256=sealed.sha256, rows=4)


def measured(series: dict[str, list[float]], **fields: Any) -> Run:
    run = make_run(**fields)
    RunMetric.objects.bulk_create(
        RunMetric(run=run, name=name, step=step, value=value)
        for name, values in series.items()
        for step, value in zip(LOOKS, values, strict=True)
    )
    return run


def keep_evidence(run: Run, name: str, **content: Any) -> None:
    folder = run.folder / "evidence"
    folder.mkdir(parents=True)
    (folder / f"{name}.json").write_text(json.dumps(content))


def pair(row: int, margin: float, reference: float) -> dict[str, Any]:
    return {"row": row, "policy": [margin, 0.0], "reference": [reference, 0.0], "lengths": [3, 3]}


def page(browser, url: str) -> Any:
    response = browser.get(url)
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def text(element) -> str:
    return " ".join(element.get_text(" ").split())


def attention(browser, run: Run) -> Any:
    return page(browser, run.get_absolute_url()).select_one("#run-attention")


def test_an_alarm_says_its_cause_with_the_numbers_and_since_when(ada):
    shown = text(attention(ada, measured(REGION)))
    assert "21 % of the held-out pairs are in the undesirable region" in shown
    assert "on 53 % of the pairs" in shown
    assert "since step 20" in shown


def test_definition_and_threshold_stand_beside_it_with_where_they_come_from(ada):
    shown = text(attention(ada, measured(REGION)).select_one("#alarm-undesirable_region-measure"))
    assert "mean 1[δ_ref < δ_θ < 0]" in shown
    assert "above 5 % heuristic" in shown


def test_the_remedy_opens_the_launch_form_with_the_runs_settings_and_its_own(ada):
    run = measured(REGION, config={"beta": 0.3, "max_steps": 77, "nll_weight": 0.5})
    link = attention(ada, run).select_one(".remedies a")["href"]
    query = parse_qs(urlsplit(link).query)
    assert urlsplit(link).path == reverse("run-new", args=["cpo"])
    assert (query["beta"], query["max_steps"], query["base"]) == (["0.3"], ["77"], [str(run.base_id)])
    assert "nll_weight" not in query
    form = page(ada, link)
    assert form.select_one("[name=beta]")["value"] == "0.3"


def test_the_pairs_behind_it_are_shown_worst_first_and_lead_to_their_rows(ada, version):
    run = measured(REGION, dataset_version=version)
    keep_evidence(run, "held_out", pairs=[pair(0, 1, -1), pair(1, -0.5, -2), pair(2, -1.5, -2), pair(3, -3, -2)])
    rows = attention(ada, run).select("tbody tr")
    assert [text(row.select_one("td")) for row in rows] == ["2 : the whole row", "1 : the whole row"]
    assert "Red 2." in text(rows[0])
    assert rows[0].select_one("a")["href"] == reverse("dataset-pair", args=[version.dataset.slug, version.number, 2])


def test_all_the_pairs_behind_it_have_a_page(ada, version):
    run = measured(REGION, dataset_version=version)
    keep_evidence(run, "held_out", pairs=[pair(n, -0.5 - n, -9) for n in range(4)])
    link = attention(ada, run).find("a", string="See all 4")["href"]
    shown = page(ada, link)
    assert len(shown.select("tbody tr")) == 4
    assert "4, worst ranked first. δ is log p(chosen) − log p(rejected)" in text(shown)


def test_own_answers_stand_beside_the_references(ada, version):
    series = {"own/length_ratio": [1.0, 1.3, 1.4, 1.5], "own/length": [10.0, 13, 14, 15]}
    run = measured(series, dataset_version=version)
    sample = {"row": 1, "answer": "Red, red and red.", "length": 6, "finished": True, "reference": "Red."}
    keep_evidence(run, "own", step=60, samples=[sample | {"reference_length": 3, "kl": 1.25, "score": None}])
    row = text(attention(ada, run).select_one("tbody tr"))
    assert "What colour is thing 1? Red, red and red. 6 tokens Red. 3 tokens 1.25 –" in row


def test_evidence_that_nobody_selects_is_not_found(ada):
    run = measured(REGION)
    for parts in (("held_out", "best"), ("secrets", "wrong")):
        assert ada.get(reverse("run-evidence", args=[run.pk, *parts])).status_code == 404


def test_without_kept_values_the_page_of_evidence_says_so(ada):
    url = reverse("run-evidence", args=[measured(REGION).pk, "held_out", "undesirable"])
    assert "Nothing here" in text(page(ada, url))


def test_no_alarm_is_said_calmly_once_there_was_a_look(ada):
    assert "No alarm" in text(attention(ada, measured(HEALTHY)))


def test_before_the_first_look_nothing_is_said(ada):
    assert attention(ada, make_run()).has_attr("hidden")


def test_every_chart_says_what_it_shows(ada):
    charts = page(ada, measured(HEALTHY).get_absolute_url()).select("[data-chart]")
    assert charts
    assert all(chart.select_one("details .measure") for chart in charts)


def test_a_chart_has_a_line_at_its_threshold(ada):
    run = measured(HEALTHY)
    charts = ada.get(reverse("run-metrics", args=[run.pk])).json()["charts"]
    assert charts["region"]["thresholds"] == [0.05]


def test_reading_a_look_keeps_the_names_of_the_alarms_for_lists(settings, tmp_path):
    settings.HOME = tmp_path
    run = make_run()
    run.folder.mkdir(parents=True)
    lines = [
        {"at": 1.0, "attempt": 1, "kind": "metrics", "step": step, "values": {n: v[i] for n, v in REGION.items()}}
        for i, step in enumerate(LOOKS)
    ]
    (run.folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    trainer_events.Tail(run).read()
    run.refresh_from_db()
    assert run.alarms == ["undesirable_region"]


def test_lists_show_how_many_alarms_a_run_has(ada):
    run = measured(REGION)
    alarms.keep(run)
    queue.cancel(run)
    assert "1 alarm" in text(page(ada, reverse("runs")).select_one("[aria-label='Finished runs'] tbody tr"))


def test_an_inspection_has_no_alarms():
    run = Run(method="inspection")
    assert alarms.alarms_of(run) == []


def test_charts_of_a_reward_model_come_in_the_order_of_all_charts():
    names = ["reward/grad_norm", "reward_held_out/ece", "reward/loss", "train/loss", "reward_held_out/accuracy"]
    keys = [chart.family.key for chart in curves.charts_of(names)]
    assert keys == [
        "loss",
        "reward-model-loss",
        "reward-model-accuracy",
        "reward-model-calibration",
        "reward-model-gradient",
    ]


def test_charts_of_a_further_member_come_last_and_are_explained_like_the_first():
    names = ["member_2/loss", "member_2_held_out/ece", "reward/loss", "reward_held_out/ece"]
    charts = curves.charts_of(names)
    assert [chart.family.title for chart in charts] == [
        "Reward model: loss",
        "Reward model: calibration error",
        "Reward model, member 2: loss",
        "Reward model, member 2: calibration error",
    ]
    assert charts[3].measures == charts[1].measures != []
    assert curves.words_of("member_2_held_out/ece") == "reward model, member 2, held-out ECE"
    assert curves.label_of("member_2_held_out/ece", charts[3]) == "held-out"
