"""Prompt suites, studies, and the stored answers that people compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from comparisons.design import Design
from training.models import DatasetVersion, Policy

from .append_only import AppendOnlyModel, AppendOnlyQuerySet
from .pools import RaterPool

if TYPE_CHECKING:
    from alignapp.accounts.models import User


class Stratum(models.TextChoices):
    IN_DISTRIBUTION = "in_distribution", "In distribution"
    PARAPHRASED = "paraphrased", "Paraphrased"
    UNCOVERED = "uncovered", "Not covered by the data"
    ADVERSARIAL = "adversarial", "Adversarial"
    OTHER = "other", "Other"


class Suite(models.Model):
    """A fixed list of prompts on which policies are compared."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of its prompts, in order.")
    stratum = models.CharField(max_length=20, choices=Stratum.choices, default=Stratum.OTHER)
    held_for_evaluation = models.BooleanField(default=False, help_text="Its prompts never enter training data.")
    rejected = models.JSONField(default=list, help_text="Lines that gave no prompt: [{line, reason, text}].")
    # The version that lacks pairs for these prompts; pairs from studies on them are offered to join it.
    fills = models.ForeignKey(
        DatasetVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="gap_suites"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("suite", args=[self.slug])


class Prompt(models.Model):
    """One conversation that waits for an answer. Prompts of gold and training items belong to no suite."""

    suite = models.ForeignKey(Suite, null=True, on_delete=models.CASCADE, related_name="prompts")
    position = models.PositiveIntegerField()
    messages = models.JSONField(help_text="[{role, content}]; the last role is user.")
    sha256 = models.CharField(max_length=64, db_index=True)

    class Meta:
        ordering = ("suite", "position")
        constraints = [models.UniqueConstraint(fields=["suite", "sha256"], name="a_prompt_once_per_suite")]

    def __str__(self) -> str:
        return str(self.messages[-1]["content"])[:80]


class StudyState(models.TextChoices):
    GENERATING = "generating", "Generating answers"
    OPEN = "open", "Open for rating"
    PAUSED = "paused", "Paused"
    CLOSED = "closed", "Closed"
    FAILED = "failed", "Failed"


class StudyKind(models.TextChoices):
    SUITES = "suites", "Prompts of suites"
    ADVERSARIAL = "adversarial", "Prompts that raters write"


class StudyQuerySet(models.QuerySet["Study"]):
    """Named reads of studies."""

    def open_to(self, rater: User) -> StudyQuerySet:
        """Open studies that this person may rate in: one of their pools is asked, or everybody is."""
        asked = Study.pools.through.objects.filter(study=models.OuterRef("pk"))
        theirs = asked.filter(raterpool__members=rater)
        return self.filter(~models.Exists(asked) | models.Exists(theirs), state=StudyState.OPEN)


class Study(models.Model):
    """A blind comparison of policies, on suites of prompts or on prompts that raters write to make policies fail.

    generating ──answers stored──> open <──> paused ──close──> closed
        │  ^                         └─────────close────────────^ ^
        │  └──try again── failed <── nothing to judge             │
        └────────────────────────close────────────────────────────┘
    """

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=StudyKind.choices, default=StudyKind.SUITES)
    # An adversarial study has one suite of its own, which grows by what raters write.
    suites = models.ManyToManyField(Suite, related_name="studies")
    pools = models.ManyToManyField(
        RaterPool, related_name="studies", blank=True, help_text="Who may rate; none: every annotator."
    )
    # How raters are asked: comparisons.design.Design.
    design = models.JSONField(default=dict)
    state = models.CharField(max_length=16, choices=StudyState.choices, default=StudyState.GENERATING, db_index=True)
    item_limit = models.PositiveIntegerField(default=0, help_text="At most this many items; 0 means all.")
    ratings_per_item = models.PositiveIntegerField(default=1)
    # Sampling is the same for every contender: {"temperature", "top_p", "max_tokens", "seed"}.
    sampling = models.JSONField(default=dict)
    seed = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    # Pools and their members at closing (comparisons.results.pools), so that results stay; null: as they are now.
    pools_at_close = models.JSONField(null=True, blank=True)
    # What the stop rule saw then (comparisons.stopping.Seen).
    rule_saw = models.JSONField(default=dict, blank=True)
    rule_looked_at = models.DateTimeField(null=True, blank=True, help_text="When the stop rule last saw the votes.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = StudyQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "studies"

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("study", args=[self.slug])

    @property
    def prompts(self) -> models.QuerySet[Prompt]:
        """The prompts that every contender answers, suite by suite."""
        return Prompt.objects.filter(suite__studies=self).order_by("suite", "position")

    @property
    def fills(self) -> DatasetVersion | None:
        """The version that lacks pairs for these prompts, where a suite was made for one."""
        suite = self.suites.filter(fills__isnull=False).select_related("fills").first()
        return suite.fills if suite else None

    @property
    def rules(self) -> Design:
        """How raters are asked."""
        return Design.model_validate(self.design)

    @cached_property
    def current_guideline(self) -> Guideline | None:
        """What raters are told now, and what a judgement is pinned to."""
        return self.guidelines.order_by("-number").first()

    @property
    def guideline(self) -> str:
        return self.current_guideline.text if self.current_guideline else ""


class Guideline(models.Model):
    """One version of what raters of a study are told. Never changed: a new text is a new version."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="guidelines")
    number = models.PositiveIntegerField(help_text="Counts the versions of this study, from 1.")
    text = models.TextField(help_text="What raters should look at. Must not name a policy.")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)

    class Meta:
        ordering = ("study", "number")
        constraints = [models.UniqueConstraint(fields=["study", "number"], name="one_guideline_per_number")]

    def __str__(self) -> str:
        return f"guideline {self.number} of {self.study}"


class Contender(models.Model):
    """A policy in a study."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="contenders")
    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="contenders")

    class Meta:
        ordering = ("id",)
        constraints = [models.UniqueConstraint(fields=["study", "policy"], name="a_policy_once_per_study")]

    def __str__(self) -> str:
        return str(self.policy)


class Answer(AppendOnlyModel):
    """What one contender said to one prompt, with the gateway's own measurements. Never changed once stored.

    Answers that a person wrote for gold and training items have no contender and no served name.
    """

    contender = models.ForeignKey(Contender, null=True, on_delete=models.CASCADE, related_name="answers")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="answers")
    text = models.TextField()
    finish_reason = models.CharField(max_length=32)
    tokens = models.PositiveIntegerField()
    first_token_seconds = models.FloatField()
    total_seconds = models.FloatField()
    retries = models.PositiveIntegerField(default=0, help_text="Requests that failed before this one answered.")
    error = models.TextField(blank=True, help_text="Why the engine refused the prompt; then the text is empty.")
    seed = models.BigIntegerField()
    served_name = models.CharField(max_length=120)
    engine_version = models.CharField(max_length=32)
    created_at = models.DateTimeField(default=timezone.now)

    objects = AppendOnlyQuerySet["Answer"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contender", "prompt"], name="one_answer_per_prompt")]

    def __str__(self) -> str:
        return self.text[:60]


class ItemKind(models.TextChoices):
    COMPARISON = "comparison", "Comparison"
    TRAINING = "training", "Training, with feedback"
    GOLD = "gold", "Gold: the right judgement is known"
    ATTENTION = "attention", "Attention check"


BY_HAND = "By hand: "  # how the reason of an item that a researcher set aside begins


class ItemQuerySet(models.QuerySet["Item"]):
    """Named reads of items."""

    def comparisons(self) -> ItemQuerySet:
        """What is judged for its own sake: neither training nor checks, and nothing set aside."""
        return self.filter(kind=ItemKind.COMPARISON, quarantine="")


class Item(models.Model):
    """Two stored answers to the same prompt, to be judged against each other.

    Checks look to raters like comparisons: what they should say stands in another table (ExpectedJudgement).
    """

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="items")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="items")
    first = models.ForeignKey(Answer, on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey(Answer, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveIntegerField(help_text="Place in the study's shuffled order.")
    kind = models.CharField(max_length=16, choices=ItemKind.choices, default=ItemKind.COMPARISON)
    quarantine = models.CharField(max_length=200, blank=True, help_text="Why raters must not see it; empty: they may.")
    propensity = models.FloatField(default=1.0, help_text="Chance with which its pair of policies was drawn.")
    # Kept beside the assignments, so that finding a free item does not count them all.
    held = models.PositiveIntegerField(default=0, help_text="Places that are taken: assignments that hold one.")

    objects = ItemQuerySet.as_manager()

    class Meta:
        ordering = ("study", "position")
        indexes = [models.Index(fields=["study", "kind", "quarantine", "held", "position"])]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "first", "second", "kind"], name="a_pair_of_answers_once_per_study"
            )
        ]

    def __str__(self) -> str:
        return f"item {self.number} of {self.study}"

    @property
    def number(self) -> int:
        """What people call it, from 1, on every page and in the audit."""
        return self.position + 1

    @property
    def pair(self) -> tuple[int | None, int | None]:
        """Ids of the contenders whose answers are compared; None for an answer that somebody wrote."""
        return self.first.contender_id, self.second.contender_id

    @property
    def is_aside_by_hand(self) -> bool:
        """Whether a researcher set it aside, who may put it back."""
        return self.quarantine.startswith(BY_HAND)

    @property
    def takes_places(self) -> bool:
        """Whether its judgements are limited: everybody may judge a check or a training item, each person once."""
        return self.kind == ItemKind.COMPARISON
