"""The stages that prepare the demo workspace. Each looks for its result first, so a second start repeats nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings

from alignapp.accounts.models import Role, User
from comparisons.creation import create_study
from comparisons.models import ServedPolicy, Study
from comparisons.models import Suite as PromptSuite
from comparisons.sampling import Sampling
from comparisons.suites import create_suite
from training import policies
from training.config import Method
from training.models import DatasetVersion, Policy, Run, RunState
from training.preferences import importing
from training.runs import queue
from training.world import presets
from training.world.demonstrations import demonstrations
from training.world.islands import build_world
from training.world.pairs import preference_pairs
from training.world.phrasing import Question
from training.world.suites import Suite, divide_prompts
from training.world.tokenizer import write_model_folder

from . import evaluation, waiting
from .guideline import guideline
from .waiting import Tell

PASSWORD = "islands"
LAUNCHED_ANYWAY = "The demo shows its runs whatever the report on its made-up pairs says."
RATERS = ("annotator1", "annotator2", "annotator3", "annotator4")
PEOPLE = {"admin": Role.ADMIN, "researcher": Role.RESEARCHER} | dict.fromkeys(RATERS, Role.ANNOTATOR)
RUN_NAMES = {
    Method.SFT: "Islands base",
    Method.DPO: "Islands DPO",
    Method.CPO: "Islands constrained CPO",
    Method.RLHF: "Islands RLHF",
}
COMPARED = (Method.DPO, Method.CPO, Method.RLHF)


@dataclass
class Workspace:
    """The demo's rows, made on first use; `tell` gets a line of progress whenever there is some."""

    tell: Tell
    seed: int = 0
    items: int = 120
    ratings_per_item: int = 2

    @cached_property
    def world(self) -> Any:
        return build_world(self.seed)

    @cached_property
    def prompts(self) -> Any:
        return divide_prompts(self.world)

    @cached_property
    def people(self) -> dict[str, User]:
        """The demo's log-ins, by user name; a password that somebody changed stays."""
        return {name: _person(name, role) for name, role in PEOPLE.items()}

    @property
    def researcher(self) -> User:
        return self.people["researcher"]

    @cached_property
    def base(self) -> Policy:
        """A small Llama that SFT trains from scratch to be a flawed reference."""
        return self.trained(Method.SFT, self.demonstrations, self.untrained)

    @cached_property
    def untrained(self) -> Policy:
        """The architecture and tokenizer of the demo's model, without weights."""
        name = "Islands architecture"
        if known := Policy.objects.filter(name=name).first():
            return known
        self.tell("Base: writing tokenizer and architecture")
        folder = Path(settings.HOME) / "policies" / "islands-architecture"
        write_model_folder(folder, (text for row in self.taught() for text in row.values()))
        return policies.register_untrained(name, folder, self.researcher)

    @cached_property
    def demonstrations(self) -> DatasetVersion:
        """What the base is taught, some of it wrong on purpose."""
        return self.imported("Islands demonstrations", self.taught)

    @cached_property
    def pairs(self) -> DatasetVersion:
        """Preference pairs of the base's own answers, labelled by the true reward with some errors."""
        return self.imported("Islands preferences", self.sampled_pairs)

    @cached_property
    def suites(self) -> dict[Suite, PromptSuite]:
        """The four prompt suites."""
        return {suite: self.suite(suite) for suite in Suite}

    @cached_property
    def study(self) -> Study:
        """A blind comparison of the base and the three methods, open for rating."""
        contenders = [self.base, *(self.policy(method) for method in COMPARED)]
        for contender in contenders:
            waiting.policy_served(contender, self.tell)
        study = Study.objects.filter(name="Islands, first round").first() or create_study(
            name="Islands, first round",
            suites=[self.suites[Suite.IN_DISTRIBUTION]],
            policies=contenders,
            sampling=presets.SAMPLING,
            item_limit=self.items,
            ratings_per_item=self.ratings_per_item,
            guideline=guideline(self.world, self.questions(Suite.IN_DISTRIBUTION)),
            user=self.researcher,
        )
        return waiting.study_open(study, self.tell)

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn in the study and whenever its policies are measured."""
        return Sampling(**presets.SAMPLING)

    def policy(self, method: Method) -> Policy:
        """What the method made of the base with the demo's pairs."""
        return self.trained(method, self.pairs, self.base)

    def launch(self) -> None:
        """Queue the three methods at once, so that the worker goes from one to the next."""
        for method in COMPARED:
            self.run(method, self.pairs, self.base)

    def trained(self, method: Method, data: DatasetVersion, base: Policy) -> Policy:
        return waiting.run_finished(self.run(method, data, base), self.tell)

    def run(self, method: Method, data: DatasetVersion, base: Policy) -> Run:
        """The demo's run of this method: the one there is, resumed if it had stopped, else a new one."""
        run = Run.objects.filter(name=RUN_NAMES[method], dataset_version=data).first()
        if run is None:
            waiting.report_made(method, data, self.tell)
            run = queue.create(
                method=method,
                config=presets.CONFIGS[method],
                dataset_version=data,
                base=base,
                name=RUN_NAMES[method],
                user=self.researcher,
                override_reason=LAUNCHED_ANYWAY,
            )
        elif run.state in {RunState.FAILED, RunState.CANCELLED}:
            queue.resume(run)
        return run

    def imported(self, name: str, rows: Any) -> DatasetVersion:
        """The newest version of the dataset, or its first one made from `rows()`."""
        if known := DatasetVersion.objects.filter(dataset__name=name).first():
            return known
        self.tell(f"Data: {name}")
        dataset = importing.dataset_named(name, self.researcher)
        path = Path(settings.HOME) / "demo" / f"{dataset.slug}.jsonl"
        write_rows(path, rows())
        return waiting.version_of(importing.import_file(path, dataset, user=self.researcher))

    def taught(self) -> Iterable[dict[str, str]]:
        return demonstrations(self.world, self.prompts)

    def sampled_pairs(self) -> Iterable[Mapping[str, Any]]:
        """Sample answers of the served base and pair them by the true reward."""
        waiting.policy_served(self.base, self.tell)
        questions = self.prompts.pairs
        self.tell(f"Data: sampling {presets.ANSWERS_PER_PROMPT} answers to each of {len(questions)} prompts")
        sampling = Sampling(**presets.PAIR_SAMPLING)
        answers = evaluation.ask(self.base, self.engine_of(self.base), questions, sampling, presets.ANSWERS_PER_PROMPT)
        return preference_pairs(self.world, self.prompts, dict(zip(questions, answers, strict=True)))

    def suite(self, suite: Suite) -> PromptSuite:
        name = f"Islands, {suite.replace('_', ' ')}"
        if known := PromptSuite.objects.filter(name=name).first():
            return known
        messages = [[{"role": "user", "content": question.text}] for question in self.prompts.suites[suite]]
        return create_suite(name=name, stratum=suite.value, prompts=messages, user=self.researcher)

    def questions(self, suite: Suite) -> list[Question]:
        return list(self.prompts.suites[suite])

    def engine_of(self, policy: Policy) -> str:
        """Address of the engine that serves the policy."""
        served = ServedPolicy.objects.up().filter(policy=policy).select_related("endpoint").first()
        if served is None:
            raise waiting.StageFailed(f"No engine serves {policy.name} any more; see log/engine.log.")
        return served.endpoint.url


def _person(name: str, role: Role) -> User:
    user, made = User.objects.get_or_create(username=name, defaults={"role": role})
    if made:
        user.set_password(PASSWORD)
        user.save()
    return user


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def prepare(workspace: Workspace) -> None:
    """All stages in order; each tells its progress."""
    _ = workspace.people
    _ = workspace.base
    _ = workspace.suites
    _ = workspace.pairs
    workspace.launch()
    _ = workspace.study


def greeting(address: str) -> str:
    """What a person needs while the workspace is being prepared."""
    return (
        f"alignapp runs at {address} (log in as researcher, password {PASSWORD}). The demo workspace is being "
        "prepared: base model, pairs, three runs, a study. Every stage can be watched there, and here:"
    )


def invitation(address: str) -> str:
    """How to get in, and what to try first."""
    people = "\n".join(f"  {name:<12} {PASSWORD:<10} {role.label.lower()}" for name, role in PEOPLE.items())
    return (
        f"\nReady: {address}\n\nLog in as\n{people}\n\nRate as annotator1, then close the study as researcher, look at "
        "its results, make a dataset of it and train on it.\nCtrl-C stops everything; the next start goes on from here."
    )
