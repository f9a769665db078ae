"""The whole loop without a person: workspace, blind rating over HTTP, results, export, a second round, a report.

What a person would do in the browser goes through the real pages. Every figure is computed from what vLLM answered.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from comparisons.models import Endpoint, SealingJob, Study
from comparisons.results import gather
from training.config import Method
from training.models import DatasetVersion, Policy, Run
from training.world import presets
from training.world.phrasing import Question
from training.world.suites import Suite

from . import evaluation, waiting, workspace
from .browser import Browser
from .raters import Rater, rate_all
from .waiting import StageFailed, Tell
from .workspace import COMPARED, LAUNCHED_ANYWAY, PASSWORD, RATERS, Workspace

RATER_ERRORS = (0.05, 0.1, 0.1, 0.15)
ITEMS = 240
LEAST_PROMPTS = 400
LEAST_WIN_RATE = 0.6


@dataclass
class Report:
    """What `make demo-check` writes; `failed` names the stage that went wrong and why."""

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def stage(self, name: str, tell: Tell) -> Iterator[None]:
        """Time one stage; its failure goes into the report before it goes on."""
        began = time.monotonic()
        try:
            yield
        except Exception as error:
            self.values["failed"] = f"{name}: {error}"
            raise
        finally:
            self.stages[name] = round(time.monotonic() - began, 1)
            tell(f"{name}: {self.stages[name]:.0f} s")
            self.write()

    def write(self) -> None:
        """Write what is known so far."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        total = {"seconds_total": round(time.monotonic() - self.began, 1), "stage_seconds": self.stages}
        self.path.write_text(json.dumps(total | self.values, indent=2) + "\n")


def run(address: str, report: Report, tell: Tell, seed: int = 0) -> None:
    """Go round the loop once; raises StageFailed with the stage's reason, or when a figure misses its mark."""
    demo = Workspace(tell, seed=seed, items=ITEMS)
    with report.stage("workspace", tell):
        workspace.prepare(demo)
    with report.stage("true reward", tell):
        report.values |= qualities(demo) | {"serving": serving_facts(demo.base)}
    with report.stage("rating", tell):
        raters = [
            Rater(demo.world, name, PASSWORD, errors, seed=position)
            for position, (name, errors) in enumerate(zip(RATERS, RATER_ERRORS, strict=True))
        ]
        rate_all(raters, address, tell)
    browser = Browser(address, "researcher", PASSWORD)
    try:
        with report.stage("results and export", tell):
            version = export_pairs(browser, demo.study, report, tell)
        with report.stage("second round", tell):
            second_round(browser, demo, version, report)
    finally:
        browser.close()
    missed = misses(report.values)
    if missed:
        report.values["failed"] = "; ".join(missed)
        report.write()
        raise StageFailed(report.values["failed"])


def qualities(demo: Workspace) -> dict[str, Any]:
    """True reward of the study's stored answers: the base, and every method against it."""
    base = evaluation.stored_quality(demo.world, demo.study, demo.base)
    methods = {}
    for method in COMPARED:
        policy = demo.policy(method)
        quality = evaluation.stored_quality(demo.world, demo.study, policy)
        wins = evaluation.win_rate(quality, base)
        methods[method.value] = {
            "status": policy.run.state if policy.run else "missing",
            "train_seconds": policy.run.train_seconds if policy.run else 0.0,
            "gold_mean": quality.gold_mean,
            "gold_win_rate": wins.share,
            "gold_win_ci95": [wins.low, wins.high],
            "accuracy": quality.accuracy,
            "prompts": len(quality.rewards),
        }
    return {"base": {"gold_mean": base.gold_mean, "accuracy": base.accuracy}, "methods": methods}


def serving_facts(base: Policy) -> dict[str, Any]:
    """Which engine answers, and which adapters it has loaded."""
    endpoint = Endpoint.objects.get(root=base)
    served = endpoint.served.filter(policy__base=base).select_related("policy").order_by("policy__id")
    names = [row.policy.served_name for row in served]
    return {"engine": endpoint.engine, "version": endpoint.version, "adapters": names}


def export_pairs(browser: Browser, study: Study, report: Report, tell: Tell) -> DatasetVersion:
    """Close the study, read its results, download its pairs and have them sealed, all through the pages."""
    browser.open(f"/studies/{study.slug}/")
    browser.press("button#close")
    browser.open(f"/studies/{study.slug}/results/")
    report.values["study"] = study_facts(study)
    browser.open(f"/studies/{study.slug}/export/?minimum=1&ties=ignore&disagreement=majority&form=plain&type=jsonl")
    exported = browser.response.content
    browser.open(f"/studies/{study.slug}/make-dataset/")
    browser.send({"dataset": "Islands, rated"}, form="main form#rule")
    job = SealingJob.objects.get(pk=browser.path.strip("/").split("/")[-1])
    version = waiting.version_sealed(job, tell)
    lines = len(exported.splitlines())
    if lines != version.rows:
        raise StageFailed(f"The export has {lines} pairs, the sealed version {version.rows}.")
    file_sha256 = hashlib.sha256(exported).hexdigest()
    report.values["export"] = {"pairs": lines, "sha256": version.sha256, "jsonl_sha256": file_sha256}
    return version


def study_facts(study: Study) -> dict[str, Any]:
    """How much was judged, how often side A won, and how far the raters agree: what the results page shows."""
    found = gather(study)
    return {
        "items": study.items.filter(quarantine="").count(),
        "ratings": found.judgements,
        "position_a_share": found.side_a.value if found.side_a else None,
        "agreement_alpha": found.agreement.value,
        "verdict": found.verdict,
    }


def second_round(browser: Browser, demo: Workspace, version: DatasetVersion, report: Report) -> None:
    """Launch DPO on the rated pairs in the form, wait, serve and measure it."""
    waiting.report_made(Method.DPO, version, demo.tell)
    browser.open(f"/runs/new/dpo/?dataset_version={version.pk}&base={demo.base.pk}")
    browser.send(second_round_form(version), form="main form[method=post]")
    run = Run.objects.get(pk=browser.path.strip("/").split("/")[-1])
    policy = waiting.run_finished(run, demo.tell)
    waiting.policy_served(policy, demo.tell)
    questions = unrated_questions(demo)
    quality = evaluation.measure(demo.world, policy, demo.engine_of(policy), questions, demo.sampling)
    run.refresh_from_db()
    report.values["second_round"] = {
        "status": run.state,
        "dataset_sha256": run.dataset_version.sha256,
        "gold_mean": quality.gold_mean,
        "accuracy": quality.accuracy,
        "train_seconds": run.train_seconds,
        "prompts": len(questions),
    }


def unrated_questions(demo: Workspace) -> list[Question]:
    """The suite without the prompts that were rated: the second round trains on those."""
    rated = {messages[-1]["content"] for messages in demo.study.items.values_list("prompt__messages", flat=True)}
    return [question for question in demo.questions(Suite.IN_DISTRIBUTION) if question.text not in rated]


def second_round_form(version: DatasetVersion) -> dict[str, Any]:
    """What the researcher types: a name, and the settings of the demo's second round."""
    config: dict[str, Any] = presets.SECOND_ROUND.model_dump(mode="json", exclude={"method"}, exclude_defaults=True)
    return {"name": f"Islands DPO on {version}", "override_reason": LAUNCHED_ANYWAY} | config


def misses(values: dict[str, Any]) -> list[str]:
    """The figures that are below their mark, in words."""
    missed = []
    for name, method in values["methods"].items():
        if method["prompts"] < LEAST_PROMPTS:
            missed.append(f"{name} was measured on {method['prompts']} prompts, fewer than {LEAST_PROMPTS}")
        if method["gold_win_rate"] < LEAST_WIN_RATE or method["gold_win_ci95"][0] <= 0.5:
            missed.append(f"{name} beats the base on {method['gold_win_rate']:.2f} {method['gold_win_ci95']}")
    return missed
