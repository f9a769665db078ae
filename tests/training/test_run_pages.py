"""Queue, history, live page and comparison of runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse
from django.utils import timezone

from tests.factories import make_policy, make_run, make_user, make_version
from tests.streams import received
from training.models import Run, RunEvent, RunMetric, RunSample
from training.runs import comparison, curves, progress, queue, story

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    """A researcher's browser."""
    client.force_login(make_user("ada"))
    return client


def running(**fields: Any) -> Run:
    run = claimed(make_run(**fields))
    queue.started(run, process_group=4242)
    return run


def claimed(run: Run) -> Run:
    queue.move_to_front(run)
    taken = queue.claim("host:1")
    assert taken is not None
    assert taken.pk == run.pk
    return taken


def succeeded(**fields: Any) -> Run:
    run = running(**fields)
    result = {
        "digest": uuid4().hex * 2,
        "tuning": "lora",
        "artifact": "artifact",
        "step": 10,
        "lora_rank": 8,
        "train_seconds": 75.0,
        "tokens": 1500,
        "peak_memory_bytes": 2 * 1024**3,
        "metrics": {"held_out/ranking_accuracy": 0.8125, "train/loss": 0.25},
    }
    assert queue.succeed(run, result)
    return run


def page(browser, run: Run | None = None, query: str = "") -> Any:
    url = run.get_absolute_url() if run else reverse("runs")
    response = browser.get(url + query)
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def text(element) -> str:
    return " ".join(element.get_text(" ").split())


# --- Queue and history ----------------------------------------------------------------------------------------------


def test_without_runs_the_page_says_what_it_is_for(ada):
    assert page(ada).select_one(".empty .button")["href"] == reverse("run-methods")


def test_the_queue_lists_what_runs_and_then_what_waits_in_the_order_of_claiming(ada):
    make_run(name="second")
    make_run(name="first", priority=5)
    running(name="active")
    assert [text(link) for link in page(ada).select("#run-queue tbody th a")] == ["active", "first", "second"]


def test_the_page_renews_itself_only_while_something_is_active_or_waits(ada):
    succeeded()
    assert not page(ada).select("[data-live-url]")
    make_run()
    assert page(ada).select_one("[data-live-url]")["data-live-url"] == reverse("run-queue")


def test_the_renewal_ends_with_the_last_run_of_the_queue(ada):
    run = make_run()
    assert b"data-live-done" not in ada.get(reverse("run-queue")).content
    queue.cancel(run)
    assert b"data-live-done" in ada.get(reverse("run-queue")).content


@pytest.mark.parametrize("to, order", [("up", ["b", "a", "c"]), ("down", ["a", "c", "b"]), ("front", ["b", "a", "c"])])
def test_waiting_runs_are_moved_by_plain_forms(ada, to, order):
    runs = {name: make_run(name=name) for name in "abc"}
    response = ada.post(reverse("run-move", args=[runs["b"].pk]), {"to": to})
    assert response.url == reverse("runs")
    assert [run.name for run in Run.objects.waiting()] == order


def test_with_script_a_move_answers_with_the_queue_and_a_word(ada):
    run = make_run(name="a")
    response = ada.post(reverse("run-move", args=[run.pk]), {"to": "front"}, headers={"HX-Request": "true"})
    assert "Moved to the front." in response["HX-Trigger"]
    assert b'id="run-queue"' in response.content


def test_a_move_to_nowhere_is_refused(ada):
    assert ada.post(reverse("run-move", args=[make_run().pk]), {"to": "left"}).status_code == 400


def test_history_shows_what_a_run_reached(ada):
    succeeded(name="good")
    row = text(page(ada).select_one("[aria-label='Finished runs'] tbody tr"))
    assert "1 min 15 s" in row
    assert "0.8125 ranking accuracy" in row


def test_history_shows_why_a_run_failed(ada):
    queue.fail(running(), "The loss became NaN at step 3.", "Lower the learning rate.")
    assert "The loss became NaN" in text(page(ada).select_one("[aria-label='Finished runs'] tbody tr"))


def test_history_is_filtered_by_method_and_outcome(ada):
    succeeded(method="dpo", name="dpo")
    succeeded(method="cpo", name="cpo")
    queue.cancel(make_run(method="cpo", name="cancelled"))
    names = [
        text(link)
        for link in page(ada, query="?method=cpo&state=succeeded").select("[aria-label='Finished runs'] th a")
    ]
    assert names == ["cpo"]


def test_a_filter_that_does_not_exist_filters_nothing(ada):
    succeeded(name="good")
    assert page(ada, query="?method=ppo&state=lost").select("[aria-label='Finished runs'] tbody tr")


def test_the_number_of_queries_does_not_grow_with_the_runs(ada, django_assert_num_queries):
    """Session, user, active, waiting, marks of the active, count and page of the finished."""
    version, base = make_version(), make_policy()
    for _ in range(3):
        succeeded(dataset_version=version, base=base)
        running(dataset_version=version, base=base)
        make_run(dataset_version=version, base=base)
    with django_assert_num_queries(7):
        page(ada)


# --- One run --------------------------------------------------------------------------------------------------------


def test_a_waiting_run_says_so_and_can_be_cancelled(ada):
    run = make_run()
    shown = page(ada, run)
    assert "Waiting for a worker" in text(shown.select_one("#run-state"))
    response = ada.post(shown.select_one("#run-cancel")["formaction"])
    run.refresh_from_db()
    assert (response.url, run.state) == (run.get_absolute_url(), "cancelled")


def test_an_active_run_is_cancelling_until_its_process_is_gone(ada):
    run = running()
    ada.post(reverse("run-cancel", args=[run.pk]))
    shown = page(ada, run)
    assert shown.select_one("#run-badge")["data-state"] == "cancelling"
    assert not shown.select("#run-cancel")
    queue.cancelled(Run.objects.get(pk=run.pk))
    assert shown.select_one("[data-live-url]")
    assert page(ada, run).select_one("#run-badge")["data-state"] == "cancelled"


def test_progress_stands_with_its_number(ada):
    run = running()
    queue.heartbeat(run, step=412, total_steps=860, stage="training")
    shown = page(ada, run)
    assert shown.select_one("progress")["value"] == "412"
    assert "step 412 of 860 · 47 %" in text(shown.select_one("#run-state"))


def test_a_stage_without_steps_shows_its_own_count(ada):
    run = running()
    queue.heartbeat(run, total_steps=860, stage="computing reference log-probabilities: 6 of 15")
    assert "part 6 of 15 · 40 %" in text(page(ada, run).select_one("#run-state"))


def test_the_remaining_time_comes_from_the_latest_steps():
    """20 steps since the checkpoint in 10 s are half a second each; 40 steps are left: 20 s."""
    run = running()
    now = timezone.now()
    marks = [(100, "stage", 0), (40, "checkpoint", 20), (10, "checkpoint", 40)]
    for seconds, kind, step in marks:
        RunEvent.objects.create(run=run, attempt=1, kind=kind, step=step, at=now - timedelta(seconds=seconds))
    run.step, run.total_steps = 60, 100
    run.save()
    events = run.events.filter(kind__in=progress.MARKS)
    assert progress.remaining_seconds(run, events, now) == pytest.approx(40 * 40 / 40)


def test_an_earlier_stage_or_attempt_says_nothing_about_the_remaining_time():
    run = running()
    now = timezone.now()
    RunEvent.objects.create(run=run, attempt=0, kind="checkpoint", step=1, at=now - timedelta(hours=1))
    RunEvent.objects.create(run=run, attempt=1, kind="checkpoint", step=2, at=now - timedelta(minutes=9))
    RunEvent.objects.create(run=run, attempt=1, kind="stage", step=50, at=now - timedelta(seconds=9))
    run.step, run.total_steps = 50, 100
    assert progress.remaining_seconds(run, run.events.all(), now) is None


def test_a_failed_run_says_what_happened_and_what_to_do(ada):
    run = running(config={"beta": 0.3})
    queue.fail(run, "The loss became NaN at step 3.", "Lower the learning rate.")
    card = page(ada, run).select_one("#run-attention")
    assert "The loss became NaN at step 3. Lower the learning rate." in text(card)
    assert "beta=0.3" in card.select_one("a.button")["href"]
    ada.post(card.select_one("#run-resume")["formaction"])
    run.refresh_from_db()
    assert run.state == "queued"


def test_a_run_that_waits_to_resume_names_the_checkpoint_and_not_the_last_step(ada):
    """It failed after step 7 and was saved at step 5: the two steps between are trained again."""
    run = make_run()
    Run.objects.filter(pk=run.pk).update(step=7)
    RunEvent.objects.create(run=run, kind="checkpoint", step=5)
    assert "continues after step 5." in text(page(ada, run).select_one("#run-state"))


def test_a_reward_model_gives_no_sample_answers(ada):
    assert page(ada, running(method="reward")).select_one("#run-samples") is None


def test_warnings_need_attention_once_each(ada):
    run = running()
    for _ in range(3):
        RunEvent.objects.create(run=run, kind="notice", level="warning", message="14 pairs were left out.")
    rows = page(ada, run).select("#run-attention li")
    assert [text(row).count("14 pairs") for row in rows] == [1]


def test_a_run_without_trouble_needs_no_attention(ada):
    assert page(ada, running()).select_one("#run-attention").has_attr("hidden")


def test_a_finished_run_leads_to_its_policy_and_stops_renewing(ada):
    run = succeeded()
    shown = page(ada, run)
    assert shown.select_one("#run-buttons .primary")["href"] == run.policy.get_absolute_url()
    assert not shown.select("[data-live-url]")
    assert "1,500 · 20 a second" in text(shown.select_one("#run-cost"))
    assert "2.0 GiB" in text(shown.select_one("#run-cost"))


def test_the_live_fragment_renews_every_part_that_the_page_has(ada):
    run = running()
    fragment: Any = BeautifulSoup(ada.get(reverse("run-live", args=[run.pk])).content, "html.parser")
    ids = {element["id"] for element in fragment.find_all(id=True, recursive=False)}
    assert ids == {element["id"] for element in page(ada, run).select("[id^=run-]")} - {"run-form", "run-cancel"}
    assert not fragment.select("[data-live-done]")


def test_the_live_fragment_of_a_finished_run_ends_the_renewal(ada):
    fragment = ada.get(reverse("run-live", args=[succeeded().pk]))
    assert b"data-live-done" in fragment.content


def test_settings_that_differ_from_the_default_are_marked(ada):
    shown = page(ada, make_run(config={"beta": 0.3}))
    marked = [text(row.th) for row in shown.select("[aria-label^=Settings] tbody tr") if row.select(".badge")]
    assert marked == ["β"]


def test_samples_stand_beside_those_from_before(ada):
    run = running()
    prompt = [{"role": "user", "content": "Capital of Pelund?"}]
    for step, answer in [(0, "Sulla."), (50, "Orvane."), (100, "Ostra.")]:
        RunSample.objects.create(run=run, step=step, position=0, prompt=prompt, text=answer)
    assert "Capital of Pelund? Ostra. Sulla." in text(page(ada, run).select_one("#run-samples"))
    assert "Capital of Pelund? Orvane. Sulla." in text(page(ada, run, "?sample=50").select_one("#run-samples"))


def test_an_answer_is_text_and_never_markup(ada):
    run = running()
    prompt = [{"role": "user", "content": "<b>?</b>"}]
    RunSample.objects.create(run=run, step=0, position=0, prompt=prompt, text="<script>alert(1)</script>")
    assert not page(ada, run).select("#run-samples script, #run-samples b")


def test_the_end_of_the_log_is_shown_and_all_of_it_can_be_fetched(ada):
    run = running()
    run.folder.mkdir(parents=True)
    (run.folder / "trainer.log").write_text("".join(f"line {number}\n" for number in range(300)))
    shown = page(ada, run).select_one("#run-log").get_text().splitlines()
    assert (shown[0], shown[-1], len(shown)) == ("line 100", "line 299", story.LOG_LINES)
    download = ada.get(reverse("run-log", args=[run.pk]))
    with (run.folder / "trainer.log").open("a") as log:
        log.write("a line that comes while the log is sent, beyond its promised length\n")
    sent = received(download)
    assert sent.startswith(b"line 0\n")
    assert sent.endswith(b"line 299\n")
    assert int(download["Content-Length"]) == len(sent)


def test_asking_for_a_log_that_does_not_exist_leads_back_to_the_run_with_a_sentence(ada):
    answer = ada.get(reverse("run-log", args=[make_run().pk]), follow=True)
    assert "There is no log to download" in answer.content.decode()


# --- Curves ---------------------------------------------------------------------------------------------------------


def add_metrics(run: Run, **values: list[float]) -> None:
    RunMetric.objects.bulk_create(
        RunMetric(run=run, name=name.replace("__", "/"), step=step, value=value)
        for name, series in values.items()
        for step, value in enumerate(series, start=1)
    )


def test_training_and_held_out_values_share_a_chart(ada):
    run = running()
    add_metrics(run, train__loss=[0.7, 0.6], held_out__loss=[0.8])
    chart = ada.get(reverse("run-metrics", args=[run.pk])).json()["charts"]["loss"]
    assert chart["series"] == [
        {"label": "training", "x": [1, 2], "y": [0.7, 0.6], "tone": 1},
        {"label": "held-out", "x": [1], "y": [0.8], "tone": 2},
    ]


def test_the_page_has_a_place_for_every_chart_of_the_data(ada):
    run = running()
    add_metrics(run, train__loss=[1.0], rollout__kl=[0.1], held_out__novel_measure=[3.0], reward__loss=[0.5])
    places = [figure["data-chart"] for figure in page(ada, run).select("[data-chart]")]
    assert places == list(ada.get(reverse("run-metrics", args=[run.pk])).json()["charts"])
    assert places == ["loss", "kl", "novel_measure", "reward-model-loss"]


def test_ranking_accuracy_and_accuracy_relative_to_the_reference_are_two_charts():
    names = ["held_out/ranking_accuracy", "held_out/reference_ranking_accuracy", "held_out/implicit_reward_accuracy"]
    charts = {chart.family.key: chart.names for chart in curves.charts_of(names)}
    assert {key: len(of_chart) for key, of_chart in charts.items()} == {"accuracy": 2, "relative": 1}


def test_long_curves_are_thinned_and_short_ones_are_whole():
    """1,000 values at most 400 a curve: every third step. Ten values stay ten."""
    run = running()
    add_metrics(run, train__loss=[0.5] * 1000, held_out__loss=[0.5] * 10)
    points = curves.points_of(run)
    assert points["train/loss"][0] == list(range(3, 1000, 3))
    assert len(points["held_out/loss"][0]) == 10


def test_another_run_is_drawn_dotted_behind(ada):
    run, other = running(), running(name="earlier")
    add_metrics(run, train__loss=[0.7])
    add_metrics(other, train__loss=[0.9], train__entropy=[1.0])
    charts = ada.get(reverse("run-metrics", args=[run.pk]) + f"?with={other.pk}").json()["charts"]
    assert list(charts) == ["loss"]
    assert charts["loss"]["series"][1] == {
        "label": "earlier: training",
        "x": [1],
        "y": [0.9],
        "tone": 1,
        "dotted": True,
    }


def test_latest_values_are_those_of_the_last_step_of_each_metric():
    run = running()
    add_metrics(run, train__loss=[0.7, 0.6, 0.5], held_out__loss=[0.9])
    assert curves.latest_values(run) == {"held_out/loss": 0.9, "train/loss": 0.5}


# --- Comparison -----------------------------------------------------------------------------------------------------


def test_only_what_differs_is_compared(ada):
    version, base = make_version(), make_policy()
    one = make_run(config={"beta": 0.1}, dataset_version=version, base=base)
    two = make_run(config={"beta": 0.5}, dataset_version=version, base=base)
    assert comparison.differences([one, two]) == [comparison.Row("β", ["0.1", "0.5"])]


def test_a_setting_that_one_method_lacks_is_a_difference():
    version, base = make_version(), make_policy()
    runs = [make_run(method, dataset_version=version, base=base) for method in ("dpo", "cpo")]
    rows = {row.name: row.cells for row in comparison.differences(runs)}
    assert rows["Method"] == ["DPO", "Constrained CPO"]
    assert rows["Floor m"] == ["–", "0"]


def test_runs_are_compared_by_ids_with_commas_or_repeated(ada):
    one, two = succeeded(name="one"), succeeded(name="two")
    for query in (f"?ids={one.pk},{two.pk}", f"?ids={one.pk}&ids={two.pk}"):
        assert [run.name for run in ada.get(reverse("run-compare") + query).context["runs"]] == ["one", "two"]


def test_runs_of_different_methods_keep_their_colours_and_others_get_tones(ada):
    one, two = running(method="dpo"), running(method="cpo")
    for run in (one, two):
        add_metrics(run, train__loss=[0.5])
    series = curves.curves_of_runs([one, two])["charts"]["train/loss"]["series"]
    assert [line["method"] for line in series] == ["dpo", "cpo"]
    series = curves.curves_of_runs([one, one])["charts"]["train/loss"]["series"]
    assert [line["tone"] for line in series] == [1, 2]


def test_fewer_than_two_runs_cannot_be_compared(ada):
    for query in ("", "?ids=nonsense", f"?ids={succeeded().pk}", f"?ids={uuid4()},{uuid4()}"):
        assert b"Choose two runs or more" in ada.get(reverse("run-compare") + query).content


# --- Who may --------------------------------------------------------------------------------------------------------

READING = ["run", "run-live", "run-metrics", "run-log"]
CHANGING = ["run-cancel", "run-resume", "run-move"]


@pytest.mark.parametrize("name", ["runs", "run-queue", "run-compare", *READING, *CHANGING])
def test_runs_are_for_researchers(client, name):
    url = reverse(name, args=[make_run().pk] if name in READING + CHANGING else [])
    ask = client.post if name in CHANGING else client.get
    assert ask(url).url.startswith(reverse("login"))
    client.force_login(make_user(role="annotator"))
    assert ask(url).status_code == 403


@pytest.mark.parametrize("name", CHANGING)
def test_nothing_changes_by_looking(ada, name):
    run = make_run()
    assert ada.get(reverse(name, args=[run.pk])).status_code == 405
    assert Run.objects.get(pk=run.pk).state == "queued"


@pytest.mark.parametrize("name", READING + CHANGING)
def test_a_run_that_does_not_exist_is_not_found(ada, name):
    ask = ada.post if name in CHANGING else ada.get
    assert ask(reverse(name, args=[uuid4()])).status_code == 404
