"""The steps of a round: each is taken once, in its order, and leads to the next."""

from __future__ import annotations

import pytest
from django.conf import settings

from comparisons import campaigns as running
from comparisons import sealing
from comparisons.campaigns import CampaignRefused, Stage
from comparisons.campaigns.gains import best_of
from comparisons.creation import StudyRefused
from comparisons.export import Certainty, Rule
from comparisons.models import Campaign, Round, SealingJob, Study
from tests.comparisons.campaigns.material import finish, make_campaign, make_data, make_suite, rate, train
from tests.factories import make_user
from training.models import DatasetVersion, Run, RunState
from training.preferences.store import read_pairs
from training.runs import queue

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "HOME", tmp_path)


@pytest.fixture
def round():
    return make_campaign().rounds.get()


def again(round: Round) -> Round:
    return Round.objects.get(pk=round.pk)


def launched(round: Round) -> list[Run]:
    return running.launch(round, running.plans_of(round), None, "made by a test")


def rated(round: Round, winner: int = 0, **how) -> Study:
    """The round with runs that succeeded and a closed study that the policy at this place won."""
    launched(round)
    made = train(round)
    study = running.start_study(again(round), None)
    rate(study, made[winner], **how)
    return study


def test_a_round_goes_through_its_stages(round):
    stages = [running.stage_of(round)]
    runs = launched(round)
    stages.append(running.stage_of(again(round)))
    for run in runs:
        finish(run)
    stages.append(running.stage_of(again(round)))
    study = running.start_study(again(round), None)
    stages.append(running.stage_of(again(round)))
    rate(study, study.contenders.get(policy__method="dpo").policy)
    stages.append(running.stage_of(again(round)))
    make_data(round)
    stages.append(running.stage_of(again(round)))
    assert stages == [Stage.LAUNCH, Stage.TRAINING, Stage.STUDY, Stage.RATING, Stage.DATA, Stage.DONE]


def test_all_runs_get_the_same_budget_and_the_rounds_data(round):
    """90 training pairs twice are 180, in batches of 32: 6 steps."""
    runs = launched(round)
    assert [run.method for run in runs] == ["dpo", "cpo"]
    assert {(run.config["max_steps"], run.config["batch_size"], run.dataset_version_id) for run in runs} == {
        (6, 32, round.data_id)
    }
    assert {run.override_reason for run in runs} == {"made by a test"}


def test_launching_twice_makes_one_set_of_runs(round):
    plans = running.plans_of(round)
    sets = [running.launch(round, plans, None, "made by a test") for _ in range(2)]
    assert [run.pk for run in sets[0]] == [run.pk for run in sets[1]]
    assert Run.objects.count() == 2


def test_a_launch_without_a_reason_that_is_needed_queues_nothing(round):
    with pytest.raises(queue.Refused):
        running.launch(round, running.plans_of(round), None)
    assert not Run.objects.exists()
    assert running.stage_of(again(round)) == Stage.LAUNCH


def test_a_failed_run_stops_the_round_until_it_is_queued_again(round):
    one, other = launched(round)
    Run.objects.filter(pk=one.pk).update(state=RunState.FAILED)
    assert running.stage_of(again(round)) == Stage.TRAINING
    finish(other)
    assert running.stage_of(again(round)) == Stage.STOPPED
    assert running.resume(again(round)) == 1
    assert running.stage_of(again(round)) == Stage.TRAINING


def test_the_study_compares_the_base_and_what_the_round_made(round):
    launched(round)
    made = train(round)
    study = running.start_study(again(round), make_user("rita"))
    assert [one.policy for one in study.contenders.select_related("policy")] == [round.campaign.base, *made]
    assert (study.name, study.ratings_per_item, study.guideline) == ("Ferries, round 1", 2, "Be fair.")
    assert set(study.suites.all()) == set(round.campaign.suites.all())
    assert study.sampling["max_tokens"] == 32


def test_the_study_is_made_once_and_not_before_all_runs_succeeded(round):
    runs = launched(round)
    finish(runs[0])
    with pytest.raises(CampaignRefused, match="Not all runs"):
        running.start_study(again(round), None)
    finish(runs[1])
    assert running.start_study(again(round), None) == running.start_study(again(round), None)
    assert Study.objects.count() == 1


def test_the_next_round_compares_with_the_best_of_the_one_before(round):
    study = rated(round, winner=1)
    best = study.contenders.get(policy__method="cpo").policy
    assert best_of(again(round)) == best
    make_data(round)
    second = round.campaign.rounds.get(number=2)
    launched(second)
    made = train(second)
    following = running.start_study(again(second), None)
    assert [one.policy for one in following.contenders.select_related("policy")] == [round.campaign.base, *made, best]


def test_the_data_of_the_next_round_holds_no_held_prompt(round):
    """Six collected prompts with three pairs of policies each: 18 pairs. The six measured prompts give none."""
    rated(round)
    version = make_data(round, Rule(certainty=Certainty.LABEL))
    prompts = {pair.prompt[0].content for pair in read_pairs(version.path)}
    assert version.rows == 18
    assert all(prompt.startswith("Collected") for prompt in prompts)
    second = round.campaign.rounds.get(number=2)
    assert (second.data, again(round).produced) == (version, version)
    assert Campaign.objects.get().rule["certainty"] == "label"


def test_data_is_made_once(round):
    rated(round)
    asked = [sealing.submit_round(again(round), Rule(minimum=minimum), None, join=False) for minimum in (1, 2)]
    assert asked[0] == asked[1]
    assert running.stage_of(again(round)) == Stage.SEALING
    sealing.work()
    with pytest.raises(CampaignRefused, match="there already"):
        sealing.submit_round(again(round), Rule(), None, join=False)
    assert round.campaign.rounds.count() == 2
    assert DatasetVersion.objects.count() == 2


def test_joined_data_is_a_child_of_the_rounds_data(round):
    rated(round)
    first = make_data(round)
    second = round.campaign.rounds.get(number=2)
    rated(second)
    child = make_data(second, join=True)
    assert child.parent == first
    assert child.rows > first.rows


def test_a_rule_that_leaves_nothing_makes_no_round(round):
    rated(round)
    assert make_data(round, Rule(minimum=99)) is None
    assert "makes no pair" in SealingJob.objects.get().error
    assert running.stage_of(again(round)) == Stage.DATA
    assert round.campaign.rounds.count() == 1


def test_an_open_study_gives_no_data(round):
    launched(round)
    train(round)
    running.start_study(again(round), None)
    with pytest.raises(CampaignRefused, match="not closed"):
        make_data(round)


def test_a_campaign_on_held_suites_alone_is_refused():
    with pytest.raises(CampaignRefused, match="no round would give data"):
        make_campaign(suites=[make_suite("Measured", held=True)])


def test_a_campaign_whose_name_tells_what_is_compared_is_refused():
    with pytest.raises(StudyRefused, match="names a method"):
        make_campaign(name="DPO against the rest")
