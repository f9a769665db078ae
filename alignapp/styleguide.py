"""The style guide: one page, served only with DEBUG, that shows every component in every state on invented values."""

from __future__ import annotations

import math
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

REASONS = ("correct", "complete", "clear", "safe", "length")
PAGES = ("components", "run", "dataset", "results", "rating")
RUN_STATES = ("queued", "claimed", "running", "cancelling", "cancelled", "failed", "succeeded")
STUDY_STATES = ("draft", "generating", "open", "closed")
METHODS = {
    "base": "Base",
    "sft": "SFT",
    "dpo": "DPO",
    "cpo": "Constrained CPO",
    "rlhf": "RLHF",
    "contrastive_cpo": "Contrastive CPO",
}


class LaunchExample(forms.Form):
    """Every kind of control that forms of alignapp use."""

    name = forms.CharField(help_text="How the run is called in lists.", initial="DPO on islands v3")
    method = forms.ChoiceField(choices=list(METHODS.items()), help_text="What turns pairs into a policy.")
    beta = forms.FloatField(label="β", min_value=0, help_text="How strongly the policy is held to the reference.")
    tuning = forms.ChoiceField(
        choices=[("lora", "LoRA"), ("full", "Full weights")],
        widget=forms.RadioSelect,
        help_text="LoRA trains small matrices beside the frozen weights.",
    )
    notes = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)
    file = forms.FileField(label="Pairs", required=False, help_text="JSONL with prompt, chosen and rejected.")
    resume = forms.BooleanField(label="Resume after a lost worker", required=False)
    rank = forms.IntegerField(
        label="LoRA rank", initial=16, max_value=64, help_text="At most 64, which is what the server takes."
    )
    seed = forms.IntegerField(initial=0)


def curve(start: float, end: float, pace: float, wobble: float) -> dict[str, list[float]]:
    """A curve of 43 points from `start` towards `end`, as charts.js wants it."""
    steps = list(range(0, 430, 10))
    return {
        "x": [float(step) for step in steps],
        "y": [round(end + (start - end) * math.exp(-step / pace) + wobble * math.sin(step / 17), 4) for step in steps],
    }


def curves() -> dict[str, Any]:
    """Curves of one run beside another."""
    reference = {"label": "run 11", "method": "cpo", "dotted": True}
    return {
        "x": "step",
        "charts": {
            "loss": {
                "series": [
                    {"label": "DPO", "method": "dpo", **curve(0.69, 0.31, 110, 0.012)},
                    {**reference, **curve(0.69, 0.36, 140, 0.01)},
                ]
            },
            "margin": {
                "reference": 0,
                "series": [
                    {"label": "DPO", "method": "dpo", **curve(0, 2.4, 160, 0.05)},
                    {**reference, **curve(0, 1.9, 180, 0.04)},
                ],
            },
            "accuracy": {
                "range": [0, 1],
                "reference": 0.5,
                "series": [
                    {"label": "relative", **curve(0.5, 0.86, 90, 0.01)},
                    {"label": "absolute", **curve(0.47, 0.71, 150, 0.01)},
                ],
            },
            "logprobs": {
                "series": [
                    {"label": "chosen", **curve(-42, -47, 150, 0.3)},
                    {"label": "rejected", **curve(-44, -63, 150, 0.4)},
                ]
            },
            "methods": {
                "range": [-0.4, 1],
                "reference": 0,
                "series": [
                    {"label": label, "method": method, **curve(-0.17, 0.15 * i, 120, 0.01)}
                    for i, (method, label) in enumerate(METHODS.items(), start=1)
                ],
            },
            "lengths": {
                "x": "words",
                "series": [
                    {
                        "label": "chosen",
                        "steps": True,
                        "x": list(range(0, 64, 4)),
                        "y": [0, 2, 9, 24, 47, 61, 58, 44, 30, 19, 11, 6, 3, 1, 0, 0],
                    },
                    {
                        "label": "rejected",
                        "steps": True,
                        "x": list(range(0, 64, 4)),
                        "y": [1, 8, 28, 52, 60, 49, 33, 22, 14, 8, 5, 3, 1, 0, 0, 0],
                    },
                ],
            },
            "empty": {"series": [{"label": "KL", "x": [], "y": []}]},
        },
    }


def styleguide(request: HttpRequest) -> HttpResponse:
    """Show one of PAGES, by ?page=."""
    wrong = LaunchExample(
        {"wrong-name": "DPO on islands v3", "wrong-beta": "-1", "wrong-method": "dpo", "wrong-rank": "128"},
        prefix="wrong",
    )
    form = LaunchExample()
    context = {
        "pages": PAGES,
        "reasons": REASONS,
        "page": request.GET.get("page", "components"),
        "run_states": RUN_STATES,
        "study_states": STUDY_STATES,
        "methods": METHODS,
        "form": form,
        "wrong": wrong,
        "wrong_advanced": [wrong["rank"], wrong["seed"]],
        "advanced": [form["rank"], form["seed"]],
        "curves": curves(),
        "list_page": Paginator(range(118), 25).page(2),
    }
    return render(request, "styleguide.html", context)
