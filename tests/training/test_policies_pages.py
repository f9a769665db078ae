"""Pages of policies: the list, one with its lineage, registering a model."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.urls import reverse

from comparisons.models import Endpoint, ServedPolicy
from tests.factories import make_policy, make_run, make_user
from training.launching.methods import GUIDES
from training.lineage import ancestors
from training.models import Policy, PolicyKind

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client):
    """A researcher's browser."""
    client.force_login(make_user("ada"))
    return client


def page(browser, url: str) -> Any:
    response = browser.get(url)
    assert response.status_code == 200
    return BeautifulSoup(response.content, "html.parser")


def text(element) -> str:
    return " ".join(element.get_text(" ").split())


def trained(base: Policy, kind: str = PolicyKind.FULL, **fields) -> Any:
    return make_policy(kind, base=base, run=make_run(base=base), method="dpo", **fields)


def serve(policy: Policy, state: str = "up", error: str = "") -> None:
    endpoint = Endpoint.objects.create(url="http://127.0.0.1:8100", root=policy.root, state="up", engine="vllm")
    ServedPolicy.objects.create(endpoint=endpoint, policy=policy, state=state, error=error)


def test_without_policies_the_page_says_what_it_is_for(ada):
    assert page(ada, reverse("policies")).select_one(".empty .button")["href"] == reverse("policy-new")


def test_a_trained_policy_is_listed_with_its_run_data_and_base(ada):
    policy = trained(make_policy(name="islands-sft"), name="Better")
    row = page(ada, reverse("policies")).select_one("tbody tr")
    assert [link["href"] for link in row.select("a")] == [
        policy.get_absolute_url(),
        policy.run.get_absolute_url(),
        policy.run.dataset_version.get_absolute_url(),
        policy.base.get_absolute_url(),
    ]


def test_the_list_says_what_is_served(ada):
    serve(make_policy())
    make_policy()
    states = [text(row.select("td")[4]) for row in page(ada, reverse("policies")).select("tbody tr")]
    assert states == ["not served", "Up"]


def test_the_list_is_filtered_by_kind(ada):
    base = make_policy(name="base")
    trained(base, name="full")
    rows = page(ada, reverse("policies") + "?kind=base").select("tbody th")
    assert [text(row) for row in rows] == ["base"]


def test_the_number_of_queries_does_not_grow_with_the_policies(ada, django_assert_num_queries):
    """Session, user, count, policies, served, endpoints."""
    base = make_policy()
    serve(base)
    for _ in range(3):
        trained(base)
    with django_assert_num_queries(6):
        page(ada, reverse("policies"))


def test_lineage_leads_from_the_registered_model_over_every_run(ada):
    first = make_policy(name="registered")
    second = trained(first, name="round one")
    third = trained(second, name="round two")
    assert [step.policy.name for step in ancestors(third)] == ["registered", "round one", "round two"]
    links = [link["href"] for link in page(ada, third.get_absolute_url()).select(".lineage a")]
    assert second.run.get_absolute_url() in links
    assert second.run.dataset_version.get_absolute_url() in links


def test_a_lineage_that_bites_its_tail_ends():
    one = make_policy()
    Policy.objects.filter(pk=one.pk).update(base=one)
    one.refresh_from_db()
    assert len(ancestors(one)) == 50


def test_a_policy_shows_its_digest_and_opens_the_launch_form_on_it(ada):
    policy = make_policy()
    shown = page(ada, policy.get_absolute_url())
    assert policy.digest in text(shown)
    links = [link["href"] for link in shown.select("[aria-labelledby=train-title] a")]
    assert links == [f"{reverse('run-new', args=[method])}?base={policy.pk}" for method in GUIDES]


def test_training_on_from_an_adapter_starts_at_its_base(ada):
    adapter = make_policy(PolicyKind.ADAPTER)
    button = page(ada, adapter.get_absolute_url()).select_one(".page-header .primary")
    assert text(button) == "Train from its base"
    assert button["href"].endswith(f"?base={adapter.base_id}")


def test_why_a_policy_is_not_served_is_said(ada):
    policy = make_policy()
    serve(policy, "failed", "The adapter has rank 128; the engine takes 64 at most.")
    assert "The adapter has rank 128" in text(page(ada, policy.get_absolute_url()))


def test_a_folder_that_does_not_exist_is_refused_in_words(ada):
    response = ada.post(reverse("policy-new"), {"name": "New", "location": "/nowhere/model"})
    assert response.status_code == 422
    assert "There is no folder /nowhere/model on this machine." in response.content.decode()
    assert not Policy.objects.exists()


def test_a_folder_without_safetensors_is_refused_in_words(ada, tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    response = ada.post(reverse("policy-new"), {"name": "New", "location": str(tmp_path)})
    assert "no .safetensors file" in response.content.decode()


def test_a_whole_folder_is_registered(ada, tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    response = ada.post(reverse("policy-new"), {"name": "New", "location": str(tmp_path)})
    assert response.url == Policy.objects.get(name="New").get_absolute_url()


def test_an_empty_form_says_what_is_missing(ada):
    answer = ada.post(reverse("policy-new"), {}).content.decode()
    assert "Give the model a name." in answer
    assert "Give the folder that holds the model." in answer


@pytest.mark.parametrize("name", ["policies", "policy", "policy-new"])
def test_policies_are_for_researchers(client, name):
    url = reverse(name, args=[make_policy().pk] if name == "policy" else [])
    assert client.get(url).url.startswith(reverse("login"))
    client.force_login(make_user(role="annotator"))
    assert client.get(url).status_code == 403


def test_a_reward_model_is_shown_without_an_engine_and_can_be_inspected_and_used(ada):
    judge = make_policy(PolicyKind.REWARD, base=make_policy(), method="reward")
    shown = page(ada, judge.get_absolute_url())
    assert "Where it is served" not in text(shown)
    links = [link["href"] for link in shown.select(".page-header .actions a")]
    assert f"{reverse('inspection-new')}?inspected={judge.pk}" in links
    assert f"{reverse('run-new', args=['rlhf'])}?base={judge.base_id}&reward_model={judge.pk}" in links


def test_a_policy_lists_its_inspections(ada):
    base = make_policy()
    run = make_run("inspection", base=base, inspected=base)
    links = [
        link["href"] for link in page(ada, base.get_absolute_url()).select("[aria-labelledby=inspections-title] a")
    ]
    assert links == [reverse("inspection", args=[run.pk])]
