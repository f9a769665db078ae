"""Pages of inspections: the form, what was found, the pairs behind it, and the reference check of a launch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from tests.factories import make_policy, make_run, make_user, make_version
from tests.training.inspections.test_measure import scored
from tests.training.launch_material import base_on_disk, sealed_version
from training.config import Method
from training.inspections.measure import Beyond, best_of_curve, share, summarise
from training.inspections.slices import slices_of
from training.inspections.summary import Kind, Oddity, Picked
from training.models import Policy, PolicyKind, Run
from training.runs import queue, story

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    client.force_login(make_user("ada"))
    return client


def parsed(response) -> Any:
    return BeautifulSoup(response.content, "html.parser")


def words_of(response) -> str:
    return " ".join(parsed(response).get_text(" ").split())


def inspected_run(kind: Kind = Kind.REWARD, *, right: int = 30, rows: int = 40, **fields: Any) -> Run:
    """A succeeded inspection of a sealed version: `right` pairs are ranked rightly, the longer answer is rejected."""
    base = fields.pop("base", None) or make_policy(name="islands-sft")
    kinds = {Kind.REWARD: PolicyKind.REWARD, Kind.POLICY: PolicyKind.ADAPTER}
    looked_at = base if kind is Kind.REFERENCE else make_policy(kinds[kind], base=base, name="Subject")
    version = fields.pop("dataset_version", None) or sealed_version(rows)
    run = make_run("inspection", base=base, inspected=looked_at, dataset_version=version, **fields)
    pairs = [scored(i, 2.0 if i < right else -1.0 - i / 100, chosen=8, rejected=8 + i % 3) for i in range(rows)]
    beyond = Beyond(
        best_of=best_of_curve(np.array([[0.0, 1.0, 2.0, 3.0], [1.0, 1.5, 2.0, 2.5]])),
        picked=(Picked("What is blue?", "The sky.", 2.0, "Nothing.", -1.0),),
        oddities=(Oddity("empty answers", -1.0, share([1.0] + [0.0] * 9), ""),),
    )
    summary = summarise(kind, pairs, beta=0.1, logit_scale=1.0, beyond=Beyond() if kind is Kind.REFERENCE else beyond)
    folder = run.folder / "inspection"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(summary.to_json())
    keys = slices_of([pair.facts for pair in pairs])
    write_pairs(folder / "pairs.parquet", pairs, keys)
    claimed = queue.claim("host:1")
    assert claimed is not None
    queue.started(claimed, process_group=1)
    queue.succeed(claimed, {"makes": "inspection", "step": 0, "metrics": {"inspection/accuracy": 0.75}})
    return Run.objects.get(pk=run.pk)


def write_pairs(path: Path, pairs: list[Any], keys: list[tuple[str, ...]]) -> None:
    columns = [
        {
            "row": p.facts.row,
            "split": p.facts.split,
            "chosen_score": p.chosen_score,
            "rejected_score": p.rejected_score,
            "gap": p.gap,
            "chosen_tokens": p.facts.chosen_tokens,
            "rejected_tokens": p.facts.rejected_tokens,
            "label": p.label,
            "correct": p.right,
            "slices": list(own),
        }
        for p, own in zip(pairs, keys, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(columns), path)


# --- The form -------------------------------------------------------------------------------------------------------


def test_the_form_queues_an_inspection_over_the_base_of_what_is_chosen(ada):
    judge, version = make_policy(PolicyKind.REWARD, base=make_policy()), make_version()
    response = ada.post(reverse("inspection-new"), {"inspected": judge.pk, "dataset_version": version.pk, "rows": "64"})
    run = Run.objects.get()
    assert response.url == run.get_absolute_url()
    assert (run.method, run.inspected, run.base, run.config["rows"]) == ("inspection", judge, judge.base, 64)


def test_a_base_is_checked_as_a_reference(ada):
    base, version = make_policy(), make_version()
    ada.post(reverse("inspection-new"), {"inspected": base.pk, "dataset_version": version.pk})
    run = Run.objects.get()
    assert (run.base, run.inspected) == (base, base)
    assert run.name.startswith("Reference check of")


def test_a_whole_model_that_was_trained_here_may_be_either(ada):
    full, version = make_policy(PolicyKind.FULL, base=make_policy()), make_version()
    sent = {"inspected": full.pk, "dataset_version": version.pk}
    ada.post(reverse("inspection-new"), sent)
    ada.post(reverse("inspection-new"), sent | {"as_reference": "on"})
    assert [run.base for run in Run.objects.order_by("created_at")] == [full.base, full]


def refusals(response) -> str:
    assert response.status_code == 422
    return " ".join(error for errors in response.context["form"].errors.values() for error in errors)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"dataset_version": 999}, "no such version with pairs"),
        ({"inspected": ""}, "Choose what to look at"),
        ({"inspected": 999}, "no such policy with weights"),
        ({"rows": "0"}, "Must be 1 or more"),
        ({"as_reference": "on"}, "only a whole model can be a reference"),
    ],
)
def test_what_cannot_be_inspected_is_refused_in_a_sentence(ada, changes, words):
    sent = {"inspected": make_policy(PolicyKind.ADAPTER).pk, "dataset_version": make_version().pk}
    assert words in refusals(ada.post(reverse("inspection-new"), sent | changes))


def test_demonstrations_are_refused(ada):
    sent = {"inspected": make_policy().pk, "dataset_version": make_version(kind="demonstrations").pk}
    assert "demonstrations have no rejected answers" in refusals(ada.post(reverse("inspection-new"), sent))


def test_a_link_to_a_policy_brings_its_data_and_lengths(ada):
    run = make_run("dpo", {"max_length": 128})
    policy = make_policy(PolicyKind.ADAPTER, base=run.base, run=run)
    page = parsed(ada.get(f"{reverse('inspection-new')}?inspected={policy.pk}"))
    assert page.select_one("[name=dataset_version] option[selected]")["value"] == str(run.dataset_version_id)
    assert page.find(attrs={"name": "max_length"})["value"] == "128"


# --- What was found -------------------------------------------------------------------------------------------------


def test_the_page_says_the_result_and_its_verdicts(ada):
    """30 of 40 right; by equal or longer rejected answers only. Three of four at gap 2 is claimed as 88 %."""
    words = words_of(ada.get(reverse("inspection", args=[inspected_run().pk])))
    assert "The reward model ranks 75 % [60, 86] of 40 pairs as the labels do." in words
    for part in ("Reliability", "Score against length", "Best of n", "Accuracy by slice", "Its surest mistakes"):
        assert part in words


def test_a_policy_s_page_says_what_its_reward_is(ada):
    words = words_of(ada.get(reverse("inspection", args=[inspected_run(Kind.POLICY).pk])))
    assert "β (log π − log π_ref) with β 0.1" in words
    assert "the ranking is the same for every β" in words


def test_a_reference_check_says_what_it_means_and_leads_to_the_remedy(ada):
    run = inspected_run(Kind.REFERENCE)
    page = ada.get(reverse("inspection", args=[run.pk]))
    assert "The reference ranks 25 % [14, 40] of 40 pairs wrongly" in words_of(page)
    remedy = next(link["href"] for link in parsed(page).select("a.primary") if "floor=0" in link["href"])
    assert remedy.startswith(reverse("run-new", args=["cpo"]))
    assert f"dataset_version={run.dataset_version_id}" in remedy


def test_every_slice_leads_to_its_pairs(ada):
    run = inspected_run()
    links = parsed(ada.get(reverse("inspection", args=[run.pk]))).select("[aria-labelledby=slices-title] tbody a")
    assert links
    for link in links:
        assert ada.get(link["href"]).status_code == 200


def test_a_value_of_a_column_may_hold_anything(ada):
    """The key of a slice stands in an address."""
    run = inspected_run()
    assert ada.get(reverse("inspection-pairs", args=[run.pk]), {"slice": "source:a&b=%"}).status_code == 404


def test_the_surest_mistakes_come_first(ada):
    """Rows 30 to 39 are wrong, by -1.30 to -1.39."""
    response = ada.get(reverse("inspection-pairs", args=[inspected_run().pk]), {"only": "wrong"})
    assert [pair["ranked"].row for pair in response.context["pairs"]] == list(range(39, 29, -1))
    assert "a" * 8 in words_of(response)


def test_the_pairs_of_a_slice_are_paged(ada):
    """14 of 40 pairs have answers of equal length (row % 3 = 0), so 26 have a longer rejected one."""
    response = ada.get(
        reverse("inspection-pairs", args=[inspected_run().pk]), {"slice": "longer:rejected", "page": "2"}
    )
    assert response.context["page"].paginator.count == 26
    assert len(response.context["pairs"]) == 1


def test_an_inspection_without_its_sealed_file_still_shows_its_figures(ada):
    run = inspected_run()
    run.dataset_version.path.unlink()
    assert "sealed file of this version is gone" in words_of(ada.get(reverse("inspection", args=[run.pk])))


def test_an_unfinished_inspection_leads_to_its_run(ada):
    base = make_policy()
    run = make_run("inspection", base=base, inspected=base)
    assert ada.get(reverse("inspection", args=[run.pk])).url == run.get_absolute_url()
    assert ada.get(run.get_absolute_url()).status_code == 200


def test_an_inspection_of_an_earlier_form_is_not_found(ada):
    run = inspected_run()
    (run.folder / "inspection" / "summary.json").write_text(json.dumps({"kind": "reward"}))
    assert ada.get(reverse("inspection", args=[run.pk])).status_code == 404


def test_a_finished_inspection_s_run_leads_to_what_was_found(ada):
    run = inspected_run()
    links = [link["href"] for link in parsed(ada.get(run.get_absolute_url())).select("#run-buttons a")]
    assert links[0] == reverse("inspection", args=[run.pk])


def test_inspecting_again_fills_the_form_in(ada):
    run = inspected_run()
    page = parsed(ada.get(story.launch_link(run)))
    assert page.select_one("[name=inspected] option[selected]")["value"] == str(run.inspected_id)


def test_the_page_asks_the_database_as_often_however_many_pairs_there_are(ada, django_assert_max_num_queries):
    run = inspected_run(rows=60)
    with django_assert_max_num_queries(6):
        ada.get(reverse("inspection", args=[run.pk]))


# --- At a launch ----------------------------------------------------------------------------------------------------


@pytest.fixture
def material(tmp_path) -> dict[str, Any]:
    return {"base": base_on_disk(tmp_path).pk, "dataset_version": sealed_version().pk}


def launch_page(browser, method: str, material: dict[str, Any]):
    return browser.get(reverse("run-new", args=[method]), material)


def test_the_launch_form_offers_a_check_of_the_reference(ada, material):
    [button] = parsed(launch_page(ada, "dpo", material)).select("button[formaction]")[-1:]
    assert button["formaction"] in {reverse("reference-check"), reverse("run-estimate", args=["dpo"])}
    assert "Check the reference first" in words_of(launch_page(ada, "dpo", material))


@pytest.mark.parametrize("method", ["sft", "reward", "rlhf"])
def test_methods_that_rank_no_pairs_by_likelihood_offer_none(ada, material, method):
    assert "Check the reference" not in words_of(launch_page(ada, method, material))


def test_the_check_takes_the_lengths_of_the_launch_form(ada, material):
    sent = material | {"max_length": "64", "precision": "bf16", "beta": "0.1", "ticket": "x"}
    ada.post(reverse("reference-check"), sent)
    run = Run.objects.get()
    assert (run.method, run.config["max_length"], run.config["precision"]) == ("inspection", 64, "bf16")
    assert "being checked: queued" in words_of(launch_page(ada, "dpo", material))


def test_a_finished_check_is_said_on_the_launch_form(ada, material, tmp_path):
    base = Policy.objects.get(pk=material["base"])
    version = sealed_version()
    run = inspected_run(Kind.REFERENCE, base=base, dataset_version=version)
    page = launch_page(ada, "dpo", {"base": base.pk, "dataset_version": version.pk})
    assert "The reference ranks 25 % [14, 40] of these pairs wrongly; DPO stops at “less wrong”" in words_of(page)
    assert reverse("inspection", args=[run.pk]) in [link.get("href") for link in parsed(page).select("a")]


def test_a_check_on_other_pairs_does_not_count(ada, material):
    """The version of the check has 41 rows and so other bytes than that of the launch form."""
    base = Policy.objects.get(pk=material["base"])
    inspected_run(Kind.REFERENCE, base=base, dataset_version=sealed_version(41))
    assert "Check the reference first" in words_of(launch_page(ada, "dpo", material))


def test_a_check_that_failed_does_not_count(ada, material):
    ada.post(reverse("reference-check"), material)
    queue.cancel(Run.objects.get())
    assert "Check the reference first" in words_of(launch_page(ada, "dpo", material))


def test_a_check_of_nothing_leads_to_the_form_with_a_sentence(ada):
    response = ada.post(reverse("reference-check"), {"dataset_version": make_version().pk}, follow=True)
    assert "Choose the base to check." in words_of(response)
    assert not Run.objects.exists()


def test_an_adapter_cannot_be_checked_as_a_reference(ada):
    sent = {"base": make_policy(PolicyKind.ADAPTER).pk, "dataset_version": make_version().pk}
    assert "There is no such whole model." in words_of(ada.post(reverse("reference-check"), sent, follow=True))


@pytest.mark.parametrize("name", ["inspection-new", "reference-check"])
def test_inspecting_is_for_researchers(client, name):
    ask = client.post if name == "reference-check" else client.get
    assert ask(reverse(name)).status_code == 302
    client.force_login(make_user(role="annotator"))
    assert ask(reverse(name)).status_code == 403


def test_the_method_of_an_inspection_has_no_launch_form(ada):
    assert ada.get(f"/runs/new/{Method.INSPECTION}/").status_code == 404
