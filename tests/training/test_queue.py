"""The run state machine."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from tests.factories import make_policy, make_run, make_user, make_version
from training.models import PolicyKind, Run, RunState
from training.runs import queue

pytestmark = pytest.mark.django_db

RESULT = {
    "digest": "ab" * 32,
    "tuning": "lora",
    "artifact": "artifact",
    "step": 7,
    "lora_rank": 8,
    "train_seconds": 1.5,
    "tokens": 11,
    "peak_memory_bytes": 3,
}


def names(runs) -> list[str]:
    return [run.name for run in runs]


def running(**fields) -> Run:
    make_run(**fields)
    run = queue.claim("host:1")
    assert run is not None
    queue.started(run, process_group=4242)
    return run


def test_a_new_run_waits_with_its_configuration_frozen():
    run = make_run("dpo", {"beta": 0.3})
    assert (run.state, run.config["beta"], run.typed_config.model_dump()["beta"]) == ("queued", 0.3, 0.3)


def test_the_same_launch_sent_twice_makes_one_run():
    ticket = uuid4()
    first, second = make_run(run_id=ticket, name="first"), make_run(run_id=ticket, name="again")
    assert (second.pk, second.name, Run.objects.count()) == (first.pk, "first", 1)


def test_pairs_are_needed_for_a_preference_method():
    with pytest.raises(queue.Refused, match="DPO needs pairs"):
        make_run("dpo", dataset_version=make_version(kind="demonstrations"))


def test_an_adapter_is_refused_as_a_base_and_the_model_under_it_is_named():
    adapter = make_policy(PolicyKind.ADAPTER, base=make_policy(name="Root"))
    with pytest.raises(queue.Refused, match="Root"):
        make_run("dpo", base=adapter)


def test_higher_priority_is_claimed_first_and_equal_priority_by_age():
    for name, priority in [("old", 0.0), ("new", 0.0), ("urgent", 5.0)]:
        make_run(name=name, priority=priority)
    assert names(queue.claim("w") for _ in range(3)) == ["urgent", "old", "new"]


def test_an_empty_queue_gives_nothing_to_claim():
    assert queue.claim("w") is None


def test_a_run_claimed_by_one_worker_cannot_be_claimed_by_another():
    make_run()
    assert queue.claim("first") is not None
    assert queue.claim("second") is None


def test_every_change_of_state_leaves_an_event():
    run = running()
    queue.fail(run, "It broke.", "Mend it.")
    assert list(run.events.values_list("kind", flat=True)) == ["queued", "claimed", "running", "failed"]


def test_a_waiting_run_is_cancelled_at_once():
    run = make_run()
    assert queue.cancel(run)
    run.refresh_from_db()
    assert run.state == RunState.CANCELLED


def test_a_running_run_is_cancelling_until_its_process_is_gone():
    run = running()
    queue.cancel(run)
    assert run.state == RunState.CANCELLING
    queue.cancelled(run)
    assert run.state == RunState.CANCELLED


def test_a_finished_run_cannot_be_cancelled():
    run = running()
    queue.succeed(run, RESULT)
    assert not queue.cancel(run)


def test_success_registers_a_policy_under_an_immutable_name():
    run = running()
    policy = queue.succeed(run, RESULT)
    assert policy is not None
    assert policy.served_name == f"dpo-{str(run.pk)[:8]}-7-abababab"
    assert (policy.kind, policy.base, run.tokens) == ("adapter", run.base, 11)


def test_a_worker_that_lost_its_claim_changes_nothing():
    stale = running()
    queue.lost(Run.objects.get(pk=stale.pk))
    assert queue.claim("other") is not None
    assert queue.heartbeat(stale, step=99) is None
    assert not queue.fail(stale, "late", "")
    assert queue.succeed(stale, RESULT) is None
    assert Run.objects.get(pk=stale.pk).state == RunState.CLAIMED


def test_a_silent_run_is_found_and_queued_again():
    run = running()
    assert not queue.silent().exists()
    later = timezone.now() + timedelta(seconds=60)
    assert [found.pk for found in queue.silent(later)] == [run.pk]
    queue.lost(run)
    assert run.state == RunState.QUEUED


def test_a_cancelling_run_whose_worker_vanished_is_cancelled():
    run = running()
    queue.cancel(run)
    queue.lost(run)
    assert run.state == RunState.CANCELLED


def test_a_run_that_two_sweeps_find_lost_is_lost_once():
    run = running()
    same = Run.objects.get(pk=run.pk)
    queue.lost(run)
    queue.lost(same)
    assert run.events.filter(kind="lost").count() == 1
    assert Run.objects.get(pk=run.pk).state == RunState.QUEUED


def test_a_run_that_loses_three_workers_in_a_row_fails():
    make_run()
    for _ in range(queue.MAX_LOSSES):
        run = queue.claim("w")
        assert run is not None
        queue.lost(run)
    assert (run.state, "vanished 3 times" in run.error) == ("failed", True)


def test_resuming_by_hand_forgives_earlier_losses():
    make_run()
    for _ in range(queue.MAX_LOSSES):
        run = queue.claim("w")
        assert run is not None
        queue.lost(run)
    assert run is not None
    assert queue.resume(run)
    again = queue.claim("w")
    assert again is not None
    queue.lost(again)
    assert again.state == RunState.QUEUED


def test_resume_clears_the_error():
    run = running()
    queue.fail(run, "It broke.", "Mend it.")
    queue.resume(run)
    assert (run.state, run.error, run.remedy, run.finished_at) == ("queued", "", "", None)


def test_moving_up_changes_the_order_of_claims():
    runs = [make_run(name=name) for name in "abc"]
    queue.move(runs[2], up=True)
    assert names(Run.objects.waiting()) == ["a", "c", "b"]


def test_moving_to_the_front_makes_it_next():
    runs = [make_run(name=name) for name in "abc"]
    queue.move_to_front(runs[2])
    assert names(Run.objects.waiting()) == ["c", "a", "b"]


def test_moving_the_last_run_down_changes_nothing():
    runs = [make_run(name=name) for name in "ab"]
    queue.move(runs[1], up=False)
    assert names(Run.objects.waiting()) == ["a", "b"]


def test_a_run_queued_after_a_reordering_comes_last():
    runs = [make_run(name=name) for name in "ab"]
    queue.move_to_front(runs[1])
    make_run(name="new")
    assert names(Run.objects.waiting()) == ["b", "a", "new"]


def test_a_broker_that_is_down_does_not_lose_the_run(django_capture_on_commit_callbacks):
    """No broker listens in this test, so the message after the commit cannot be sent."""
    with django_capture_on_commit_callbacks(execute=True):
        run = make_run(user=make_user())
    assert Run.objects.get(pk=run.pk).state == RunState.QUEUED


# --- Reward models and inspections ----------------------------------------------------------------------------------


def reward_model(base=None, **fields):
    return make_policy(PolicyKind.REWARD, base=base or make_policy(), **fields)


def test_a_finished_reward_run_registers_a_reward_model_on_its_base():
    run = running(method="reward")
    model = queue.succeed(run, RESULT)
    assert model is not None
    assert (model.kind, model.method, model.root) == (PolicyKind.REWARD, "reward", run.base)


def test_a_finished_inspection_registers_nothing():
    base = make_policy()
    run = running(method="inspection", base=base, inspected=base)
    assert queue.succeed(run, {"makes": "inspection"}) is None
    assert (Run.objects.get(pk=run.pk).state, base.descendants.count()) == (RunState.SUCCEEDED, 0)


def test_rlhf_that_trained_its_reward_model_registers_that_too(settings, tmp_path):
    settings.HOME = tmp_path
    run = running(method="rlhf")
    (run.folder / "reward_model").mkdir(parents=True)
    (run.folder / "reward_model" / "reward.json").write_text("{}")
    policy = queue.succeed(run, RESULT)
    [model] = run.base.descendants.filter(kind=PolicyKind.REWARD)
    assert policy is not None
    assert policy.kind == PolicyKind.ADAPTER
    assert model.location == f"runs/{run.pk}/reward_model"


def test_a_reward_model_of_the_same_base_may_judge_rlhf():
    base = make_policy()
    assert make_run("rlhf", base=base, reward_model=reward_model(base)).reward_model is not None


def test_the_same_files_registered_twice_are_the_same_base():
    first, second = make_policy(), make_policy()
    second.digest = first.digest
    second.save()
    assert make_run("rlhf", base=second, reward_model=reward_model(first)).reward_model is not None


def test_a_reward_model_of_another_base_is_refused():
    with pytest.raises(queue.Refused, match="vocabularies and hidden states need not agree"):
        make_run("rlhf", reward_model=reward_model())


def test_a_policy_is_no_reward_model():
    base = make_policy()
    with pytest.raises(queue.Refused, match="is not a reward model"):
        make_run("rlhf", base=base, reward_model=make_policy(PolicyKind.ADAPTER, base=base))


def test_a_reward_margin_needs_a_reward_model():
    with pytest.raises(queue.Refused, match="Choose one, or turn the reward margin off"):
        make_run("cpo", {"reward_margin": True})


@pytest.mark.parametrize("method", ["dpo", "cpo", "reward"])
def test_a_reward_model_that_nothing_would_read_is_refused(method):
    base = make_policy()
    with pytest.raises(queue.Refused, match="reads no reward model"):
        make_run(method, base=base, reward_model=reward_model(base))


def test_a_reward_model_is_no_base():
    with pytest.raises(queue.Refused, match="scores answers and gives none"):
        make_run("dpo", base=reward_model())


def test_an_inspection_looks_at_what_was_trained_from_its_base():
    base = make_policy()
    assert make_run("inspection", base=base, inspected=reward_model(base)).inspected is not None
    with pytest.raises(queue.Refused, match="was not trained from"):
        make_run("inspection", base=base, inspected=reward_model())
    with pytest.raises(queue.Refused, match="needs something to look at"):
        make_run("inspection", base=base)


def test_demonstrations_cannot_be_inspected():
    base = make_policy()
    with pytest.raises(queue.Refused, match="Inspection needs pairs"):
        make_run("inspection", base=base, inspected=base, dataset_version=make_version(kind="demonstrations"))
