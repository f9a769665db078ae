"""From judgements to a dataset version, by a worker: what is asked for on pages stands in rows of SealingJob.

The file is sealed first, without a transaction. Then its row, its file, what became of the job and, in a campaign, the
next round appear in one that is short. Asked for again by the same rule it is the version that is there.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from alignapp.accounts.models import User
from comparisons import campaigns
from comparisons.audit import record
from comparisons.campaigns import CampaignRefused
from comparisons.export import Export, Rule, join_version, make_version
from comparisons.models import Round, SealingJob, StudyState
from training import jobs
from training.models import DatasetVersion, JobState
from training.preferences.names import plain_name
from training.preferences.sealing import NothingToSeal
from training.preferences.versions import Watch, dataset_named, folder

WORKERS = "comparisons.tasks.work_on_sealings"
UNREADABLE = "The rule that was sent cannot be read by this version of alignapp. Go back and choose it again."


class SealingRefused(ValueError):
    """What cannot be sealed; the message is a sentence for people."""


def submit(export: Export, user: User | None, *, dataset: str = "", parent: DatasetVersion | None = None) -> SealingJob:
    """A job that adds the pairs to the version `parent`, or else seals them as a version of the dataset of this name.

    Asked for twice at once, both get the same job.
    """
    name = "" if parent else plain_name(dataset)
    asked = {"rule": asdict(export.rule), "dataset": name.casefold(), "parent": parent.pk if parent else None}
    return _ask(export, jobs.digest(asked), user, dataset_name=name, parent=parent)


def submit_round(round: Round, rule: Rule, user: User | None, *, join: bool) -> SealingJob:
    """A job that makes the data of the next round, and that round; raises CampaignRefused.

    With `join` the round's own data and the new pairs, else the new pairs alone. A round has one such job at a time.
    """
    export = Export(campaigns.study_for_data(round), rule)
    goes = {"parent": round.data} if join else {"dataset_name": round.campaign.name}
    return _ask(export, jobs.digest({"round": round.pk}), user, round=round, **goes)


def _ask(export: Export, digest: str, user: User | None, **values: Any) -> SealingJob:
    same = {"study": export.study, "digest": digest}
    told = {"rule": asdict(export.rule), "pairs": export.summary.rows, "created_by": user}
    return jobs.ask(SealingJob, WORKERS, same, **told, **values)


def work() -> None:
    """Runs waiting jobs, one after the other."""
    while job := jobs.claim(SealingJob):
        _run(job)


def _run(job: SealingJob) -> None:
    """Nothing of a job stands outside of what ends it, so that one that cannot even begin does not stop the others."""

    def make() -> None:
        jobs.remove_partials(folder("datasets"), _name(job))
        _Sealing(job).make()

    jobs.bring_to_an_end(job, make, "sealing", (SealingRefused, CampaignRefused, NothingToSeal))


def rule_of(job: SealingJob) -> Rule:
    """The rule that was sent with a job; raises SealingRefused where it cannot be read."""
    try:
        rule = Rule.stored(job.rule)
        str(rule)  # reading takes a number as it is; saying it does not
    except (AttributeError, TypeError, ValueError) as error:
        raise SealingRefused(UNREADABLE) from error
    return rule


def told_rule(job: SealingJob) -> str:
    """The rule of a job for its page, or that it cannot be read."""
    try:
        return str(rule_of(job))
    except SealingRefused as error:
        return str(error)


def _name(job: SealingJob) -> str:
    """How names of its files in the making begin."""
    return f"seal-{job.pk}"


class _Sealing:
    """A held job at work."""

    def __init__(self, job: SealingJob) -> None:
        self.job = job
        self.beat = jobs.now_and_then(job)
        self.export = Export(job.study, rule_of(job), self.beat)

    def make(self) -> None:
        job = self.job
        self._refuse()
        jobs.heartbeat(job, stage="deciding on every item")
        if not self.export.summary.rows:
            raise NothingToSeal(self.export.summary.no_pairs)
        watch = Watch(_name(job), lambda rows: self.beat(stage="writing rows", rows_done=rows), self._published)
        if job.parent:
            join_version(self.export, job.parent, job.created_by, watch)
        else:
            make_version(self.export, dataset_named(job.dataset_name, job.created_by), job.created_by, watch)

    def _refuse(self) -> None:
        job = self.job
        if job.study.state != StudyState.CLOSED:
            raise SealingRefused("The study is not closed any more. Close it, then make the data.")
        if job.parent and not job.parent.path.is_file():
            gone = f"The sealed file of {job.parent} is not on this machine."
            raise SealingRefused(f"{gone} Restore it from a backup first.")

    def _published(self, version: DatasetVersion) -> None:
        """What appears together with the version."""
        if self.job.round:
            campaigns.begin_next(self.job.round, version, self.export.rule)
        told = {"version": str(version), "rule": str(self.export.rule), "pairs": self.export.summary.rows}
        record(self.job.study, self.job.created_by, "sealed", **told)
        jobs.finish(self.job, JobState.SUCCEEDED, version=version, rows_done=version.rows)
