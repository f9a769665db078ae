"""The launch pages: forms made from the typed configurations, refusals in words, estimates, links that fill them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from tests.factories import make_policy, make_user, make_version
from tests.training.launch_material import base_on_disk, sealed_version
from training.config import Method, RLHFConfig, parse_config
from training.forms.runs import LaunchForm
from training.launching import config_fields
from training.launching.methods import GUIDES
from training.launching.presets import PRESETS
from training.models import Policy, PolicyKind, Run
from training.runs import story

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    """A researcher's browser."""
    client.force_login(make_user("ada"))
    return client


@pytest.fixture
def material(tmp_path: Path) -> dict[str, object]:
    """What every launch needs: a base that lies on disk and a sealed version."""
    return {"base": base_on_disk(tmp_path).pk, "dataset_version": sealed_version().pk}


def parsed(response) -> Any:
    """The page as a tree; untyped, because a missing element should fail the test and not the type checker."""
    return BeautifulSoup(response.content, "html.parser")


def launch(browser, method: str, **fields):
    """Sends the form; nobody has made a report on its data here, so it says why it goes on (test_launch_guard.py)."""
    return browser.post(reverse("run-new", args=[method]), {"override_reason": "The form is tested.", **fields})


def error_of(response, field: str) -> str:
    assert response.status_code == 422
    return " ".join(response.context["form"].errors.get(field, []))


@pytest.mark.parametrize("method", list(GUIDES))
def test_the_base_is_called_a_reference_only_where_the_loss_has_one(method: Method):
    said = str(LaunchForm(method).fields["base"].help_text)
    assert ("it is also the reference" in said) == method.has_reference


@pytest.mark.parametrize("method", list(GUIDES))
def test_every_setting_of_a_method_has_a_field_with_help(ada, method: Method):
    page = parsed(ada.get(reverse("run-new", args=[method])))
    for setting in config_fields.settings_of(method):
        field = page.find(attrs={"name": setting.path})
        assert field is not None, setting.path
        assert page.find(id=field["aria-describedby"].split()[0]).get_text(strip=True) == setting.info.description


@pytest.mark.parametrize("method", list(GUIDES))
def test_a_form_left_as_it_is_queues_the_defaults(ada, material, method: Method):
    page = parsed(ada.get(reverse("run-new", args=[method])))
    fields = {field["name"]: field.get("value", "") for field in page.select("#launch input:not([type=checkbox])")}
    fields |= {
        select["name"]: option["value"]
        for select in page.select("#launch select")
        if (option := select.find("option", selected=True)) and select["name"] not in material
    }
    fields |= {text["name"]: text.get_text() for text in page.select("#launch textarea")}
    fields.pop("override_reason", None)
    response = launch(ada, method, **(fields | material))
    run = Run.objects.get()
    assert response.url == run.get_absolute_url()
    assert run.typed_config == parse_config(method, {})


def test_a_launched_run_has_its_settings_frozen_and_a_name(ada, material):
    launch(ada, "rlhf", **material, kl_beta="0.2", **{"reward.epochs": "2"})
    run = Run.objects.get()
    assert (run.config["kl_beta"], run.config["reward"]["epochs"], str(run.created_by)) == (0.2, 2.0, "ada")
    assert run.name == f"RLHF on {run.dataset_version}"


def test_a_second_run_on_the_same_data_gets_a_number(ada, material):
    for _ in range(2):
        launch(ada, "dpo", **material)
    assert Run.objects.latest("created_at").name.endswith("(2)")


def test_a_launch_sent_again_makes_one_run_and_one_that_was_changed_another(ada, material):
    """Who goes back to the form finds the same ticket in it, and must not be sent to the run from before."""
    sent = material | {"ticket": "7c9e6679-7425-40de-944b-e07fc1f90ae7"}
    first, again, changed = (launch(ada, "dpo", **sent, beta=beta) for beta in ("0.1", "0.1", "0.2"))
    assert first.url == again.url != changed.url
    assert sorted(run.config["beta"] for run in Run.objects.all()) == [0.1, 0.2]


@pytest.mark.parametrize(
    "method, field, value, words",
    [
        ("dpo", "beta", "0", "Must be greater than 0;"),
        ("dpo", "beta", "-1", "Must be greater than 0"),
        ("cpo", "beta", "strong", "Must be a number, such as 0.1"),
        ("dpo", "beta", "nan", "finite"),
        ("dpo", "batch_size", "3.5", "whole number"),
        ("dpo", "label_smoothing", "0.5", "less than 0.5"),
        ("cpo", "margin", "soft", "'hard' or 'smooth'"),
        ("dpo", "lora_alpha", "9999", "LoRA alpha is more than 64 times"),
        ("sft", "from_scratch", "on", "set tuning to full"),
        ("rlhf", "group_size", "1", "2 or more"),
        ("rlhf", "reward.epochs", "0", "greater than 0"),
        ("dpo", "seed", "99999999999999999999", "4294967295 or less"),
        ("dpo", "epochs", "1e300", "10000 or less"),
        ("dpo", "max_steps", "3000000000", "100000000 or less"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field_in_words(ada, material, method, field, value, words):
    response = launch(ada, method, **material, **{field: value})
    assert words in error_of(response, field)
    assert not Run.objects.exists()


def test_what_was_typed_stays_in_a_refused_form(ada, material):
    page = parsed(launch(ada, "dpo", **material, beta="0", epochs="3"))
    assert page.find(attrs={"name": "epochs"})["value"] == "3"
    assert page.find(attrs={"name": "beta"})["aria-invalid"] == "true"


def test_an_unknown_setting_is_refused(ada, material):
    response = launch(ada, "dpo", **material, betta="0.1")
    assert "no setting called 'betta'" in error_of(response, "__all__")


def test_a_rank_above_what_the_server_takes_is_refused(ada, material, settings):
    settings.VLLM_MAX_LORA_RANK = 16
    assert "rank 16 at most" in error_of(launch(ada, "dpo", **material, lora_rank="32"), "lora_rank")


def test_the_rank_does_not_matter_when_every_weight_is_trained(ada, material, settings):
    settings.VLLM_MAX_LORA_RANK = 16
    assert launch(ada, "dpo", **material, lora_rank="32", tuning="full").status_code == 302


def test_a_base_whose_folder_is_gone_is_refused(ada, material):
    response = launch(ada, "dpo", **(material | {"base": make_policy(location="/nowhere/model").pk}))
    assert "there is no folder /nowhere/model" in error_of(response, "base")


def test_an_adapter_is_not_offered_as_a_base(ada, material):
    adapter = make_policy(PolicyKind.ADAPTER)
    assert "no registered whole model" in error_of(launch(ada, "dpo", **(material | {"base": adapter.pk})), "base")


def test_a_model_without_weights_is_for_sft_from_scratch_alone(ada, material, tmp_path):
    untrained = {"base": make_policy(PolicyKind.UNTRAINED, location=str(tmp_path)).pk}
    assert "has no weights yet" in error_of(launch(ada, "sft", **(material | untrained)), "base")
    assert "no registered whole model" in error_of(launch(ada, "dpo", **(material | untrained)), "base")
    assert launch(ada, "sft", **(material | untrained), tuning="full", from_scratch="on").status_code == 302


def test_demonstrations_do_not_fit_a_preference_method(ada, material):
    demonstrations = {"dataset_version": make_version(kind="demonstrations").pk}
    response = launch(ada, "cpo", **(material | demonstrations))
    assert "demonstrations without rejected answers" in error_of(response, "dataset_version")


def test_a_batch_that_the_data_cannot_fill_is_refused(ada, material):
    assert "40 training rows" in error_of(launch(ada, "dpo", **material, batch_size="4096"), "batch_size")


def test_data_smaller_than_the_default_batch_may_be_trained_on(ada, material):
    few = {"dataset_version": sealed_version(rows=5).pk}
    assert launch(ada, "dpo", **(material | few)).status_code == 302


def test_a_pass_that_cannot_fit_is_refused_with_what_it_needs(ada, tmp_path):
    """Rows of 9 tokens in one pass over 4 layers of a model with a million units: no machine here has that."""
    base = base_on_disk(tmp_path, hidden_size=40_000_000, intermediate_size=40_000_000, vocab_size=10)
    response = launch(ada, "dpo", base=base.pk, dataset_version=sealed_version().pk)
    words = " ".join(str(error) for error in response.context["form"].errors.values())
    assert response.status_code == 422
    assert "The run needs about" in words


def test_nothing_chosen_is_said_at_both_choices(ada):
    response = launch(ada, "dpo")
    assert error_of(response, "base") == "Choose the model to start from."
    assert error_of(response, "dataset_version") == "Choose the data to train on."


def test_empty_lists_say_where_models_and_data_come_from(ada):
    page = ada.get(reverse("run-new", args=["dpo"])).content.decode()
    assert "Register a model folder under Policies first." in page
    assert "Import a file under Datasets first." in page


def test_a_link_fills_the_form_in(ada, material):
    query = urlencode(material | {"beta": "0.7", "floor": "0.5", "length_normalised": "true", "name": "Remedy"})
    page = parsed(ada.get(f"{reverse('run-new', args=['cpo'])}?{query}"))
    assert page.find(attrs={"name": "beta"})["value"] == "0.7"
    assert page.find(attrs={"name": "length_normalised"}).has_attr("checked")
    assert page.select_one("[name=base] option[selected]")["value"] == str(material["base"])
    assert page.find(attrs={"name": "name"})["value"] == "Remedy"


def test_a_link_with_a_setting_that_the_method_lacks_says_so(ada):
    text = ada.get(f"{reverse('run-new', args=['dpo'])}?floor=0.5").content.decode()
    assert "DPO has no setting called floor." in text


@pytest.mark.parametrize(
    "method, preset", [(method, preset) for method, presets in PRESETS.items() for preset in presets]
)
def test_every_preset_is_valid_as_it_is(method, preset):
    form = LaunchForm(method, {path: config_fields.raw_text(value) for path, value in preset.values.items()})
    form.is_valid()
    assert set(form.errors) == {"base", "dataset_version"}
    assert form.config is not None
    assert config_fields.flatten(form.config.model_dump(mode="json")).items() >= preset.values.items()


def test_a_preset_fills_the_form_and_keeps_data_and_base(ada, material):
    url = f"{reverse('run-new', args=['dpo'])}?{urlencode(material | {'preset': 'small-model'})}"
    page = parsed(ada.get(url))
    assert page.find(attrs={"name": "beta"})["value"] == "0.5"
    other = next(link["href"] for link in page.select("a.button") if "preset=lora" in link["href"])
    assert f"base={material['base']}" in other


def test_launching_again_opens_the_form_with_the_same_settings(ada, material):
    launch(ada, "rlhf", **material, kl_beta="0.2", **{"reward.epochs": "2"})
    first = Run.objects.get()
    page = parsed(ada.get(story.launch_link(first)))
    assert page.find(attrs={"name": "kl_beta"})["value"] == "0.2"
    assert page.find(attrs={"name": "reward.epochs"})["value"] == "2"


def test_the_estimate_follows_the_form(ada, material):
    """40 rows in batches of 8 are 5 steps, in batches of 32 are 2."""
    url = reverse("run-estimate", args=["dpo"])
    steps = [
        ada.post(url, material | {"batch_size": size}, headers={"HX-Request": "true"}).context["trial"].forecast
        for size in ("8", "32")
    ]
    assert [forecast.estimate.steps for forecast in steps] == [5, 2]


def test_the_estimate_names_what_is_wrong(ada, material):
    response = ada.post(reverse("run-estimate", args=["dpo"]), material | {"beta": "0"}, headers={"HX-Request": "true"})
    assert "β: Must be greater than 0" in response.content.decode()


def test_the_estimate_without_script_is_the_whole_page_and_queues_nothing(ada, material):
    response = ada.post(reverse("run-estimate", args=["dpo"]), material)
    assert b"Queue the run" in response.content
    assert not Run.objects.exists()


def test_the_choice_of_methods_passes_the_data_on(ada):
    page = parsed(ada.get(reverse("run-methods") + "?dataset_version=7"))
    links = [link["href"] for link in page.select("main section a")]
    methods = ("dpo", "cpo", "contrastive_cpo", "simpo", "rlhf", "reward", "sft")
    pages = [reverse("runs-together"), *(reverse("run-new", args=[method]) for method in methods)]
    assert links == [f"{page}?dataset_version=7" for page in pages]


def test_an_unknown_method_is_not_found(ada):
    assert ada.get("/runs/new/ppo/").status_code == 404


@pytest.mark.parametrize("name", ["run-methods", "run-new", "run-estimate"])
def test_launching_is_for_researchers(client, name):
    url = reverse(name, args=[] if name == "run-methods" else ["dpo"])
    ask = client.post if name == "run-estimate" else client.get
    assert ask(url).status_code == 302
    client.force_login(make_user(role="annotator"))
    assert ask(url).status_code == 403


def test_a_refusal_of_the_queue_becomes_an_error_of_the_form(ada, material, monkeypatch):
    """Somebody may change the base between the check of the form and the queue's own."""
    monkeypatch.setattr(LaunchForm, "_check_weights", lambda self, base: None)
    untrained = make_policy(PolicyKind.UNTRAINED)
    monkeypatch.setattr(LaunchForm, "_check_size", lambda self, base, version: None)
    response = launch(ada, "sft", **(material | {"base": untrained.pk}))
    assert "has no weights yet" in error_of(response, "__all__")


# --- Reward models --------------------------------------------------------------------------------------------------


@pytest.fixture
def judge(material):
    """A reward model on the base of `material`."""
    return make_policy(PolicyKind.REWARD, name="Judge", base=Policy.objects.get(pk=material["base"]))


def test_rlhf_may_be_judged_by_a_registered_reward_model(ada, material, judge):
    launch(ada, "rlhf", **material, reward_model=judge.pk)
    assert Run.objects.get().reward_model == judge


def test_without_a_choice_rlhf_trains_its_reward_model_first(ada, material, judge):
    page = parsed(ada.get(reverse("run-new", args=["rlhf"])))
    offered = [option.get_text() for option in page.select("[name=reward_model] option")]
    assert offered == ["Train one first", "Judge · on islands-sft"]
    launch(ada, "rlhf", **material)
    assert Run.objects.get().reward_model is None


def test_a_reward_model_of_another_base_is_refused_at_its_field(ada, material):
    other = make_policy(PolicyKind.REWARD, base=make_policy())
    response = launch(ada, "rlhf", **material, reward_model=other.pk)
    assert "vocabularies and hidden states need not agree" in error_of(response, "reward_model")


def test_the_reward_margin_of_constrained_cpo_needs_a_reward_model(ada, material, judge):
    assert "Choose one" in error_of(launch(ada, "cpo", **material, reward_margin="on"), "reward_model")
    launch(ada, "cpo", **material, reward_margin="on", reward_model=judge.pk)
    assert Run.objects.get().reward_model == judge


def test_a_reward_model_without_the_reward_margin_is_refused_for_constrained_cpo(ada, material, judge):
    assert "reads no reward model" in error_of(launch(ada, "cpo", **material, reward_model=judge.pk), "reward_model")


def test_a_reward_model_is_not_offered_as_a_base(ada, material, judge):
    assert "no registered whole model" in error_of(launch(ada, "dpo", **(material | {"base": judge.pk})), "base")


def test_launching_again_keeps_the_reward_model(ada, material, judge):
    launch(ada, "rlhf", **material, reward_model=judge.pk)
    page = parsed(ada.get(story.launch_link(Run.objects.get())))
    assert page.select_one("[name=reward_model] option[selected]")["value"] == str(judge.pk)


def test_the_server_s_rank_does_not_bind_a_reward_model(ada, material, settings):
    settings.VLLM_MAX_LORA_RANK = 16
    assert launch(ada, "reward", **material, lora_rank="32").status_code == 302


def test_a_rule_a_line_is_kept_and_a_broken_one_refused(ada, material):
    launch(ada, "rlhf", **material, rules="sorry -0.5 (?i)sorry\r\nlist 0.1 ^- ")
    config = Run.objects.get().typed_config
    assert isinstance(config, RLHFConfig)
    assert [rule.name for rule in config.reward_rules] == ["sorry", "list"]
    assert "is no regular expression" in error_of(launch(ada, "rlhf", **material, rules="sorry -0.5 ("), "rules")


def test_the_settings_of_ppo_are_open_where_ppo_is_chosen_alone(ada):
    pages = [parsed(ada.get(f"{reverse('run-new', args=['rlhf'])}?algorithm={name}")) for name in ("rloo", "ppo")]
    assert [page.select_one("[aria-labelledby=ppo-title] details").has_attr("open") for page in pages] == [False, True]


# --- Label smoothing that a version advises ---------------------------------------------------------------------------


def advised(**origin: object) -> int:
    return make_version(origin={"kind": "study", "wrong_labels": "12 % [9, 15]", **origin}).pk


def smoothing_of(method: str, **values: object):
    form = LaunchForm(Method(method), values)
    form.is_valid()
    return form.smoothing


@pytest.mark.parametrize("method,offered", [("dpo", True), ("cpo", True), ("sft", False)])
def test_a_version_whose_judges_were_wrong_offers_to_smooth_labels_by_as_much(method: str, offered: bool):
    found = smoothing_of(method, dataset_version=advised(label_smoothing=0.12))
    assert (found is not None) == offered
    assert found is None or (found.value, found.wrong) == (0.12, "12 % [9, 15]")


@pytest.mark.parametrize("origin,smoothed", [({}, 0.0), ({"label_smoothing": 0.12}, 0.12)])
def test_nothing_is_offered_where_labels_are_soft_or_smoothed_already(origin: dict[str, float], smoothed: float):
    values = {"label_smoothing": smoothed, "dataset_version": advised(**origin)}
    assert smoothing_of("dpo", **values) is None


def test_one_click_smooths_the_labels_and_keeps_what_was_filled_in(ada):
    """With script the button fills in the field; without, the form comes back with it."""
    address = reverse("run-new", args=["dpo"])
    version = advised(label_smoothing=0.12)
    page = parsed(ada.get(f"{address}?dataset_version={version}"))
    button = page.select_one("#data-verdict button[data-fill]")
    assert (button["data-fill"], button["value"]) == ("label_smoothing", "0.12")
    sent = {"dataset_version": version, "name": "Kept", "label_smoothing": "0.0", "smooth": button["value"]}
    page = parsed(ada.post(reverse("run-estimate", args=["dpo"]), sent))
    fields = {name: page.select_one(f"[name={name}]")["value"] for name in ("name", "label_smoothing")}
    assert fields == {"name": "Kept", "label_smoothing": "0.12"}
    assert not page.select("#data-verdict button[data-fill]")
