"""The form of one step of a cleaning recipe: the rows it is about and the action's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from pydantic import ValidationError

from training.forms.settings import VersionChoice
from training.models import DatasetVersion, SavedRecipe
from training.preferences.browsing.building import MEASURES
from training.preferences.browsing.presenting import found_rows
from training.preferences.browsing.presenting import label_of as score_label
from training.preferences.cleaning.recipes import STEPS, AnyStep, Highest
from training.preferences.cleaning.wording import conditions
from training.preferences.filters import Bounds, Filter
from training.preferences.names import plain_name
from training.preferences.report import Report

# Scores that name a group or a language have no size.
NOT_SIZES = {"language", "cluster", "duplicate_of", "map_x", "map_y"}
# Conditions on rows that have a field of their own; the first bound has three.
SHOWN = ("finding", "split", "text", "tag", "annotator", "source")


def _choices(**words: str) -> forms.ChoiceField:
    return forms.ChoiceField(choices=list(words.items()), widget=forms.RadioSelect, initial=next(iter(words)))


def _number(**options: Any) -> forms.FloatField:
    return forms.FloatField(widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}), **options)


def own_fields(action: str) -> dict[str, forms.Field]:
    """The settings of an action, by their names in its step."""
    match action:
        case "soften":
            to = _choices(
                value="A value for all",
                noise="1 - P(label is wrong) of each row",
                rate="1 - the estimated share of wrong labels",
            )
            to.label = "New label"
            value = _number(
                label="Value",
                required=False,
                initial=0.8,
                help_text="Only for a value: P(chosen is better), above 0 and at most 1.",
            )
            return {"to": to, "value": value}
        case "weight":
            how = _choices(set="Set to", multiply="Multiply by")
            how.label = "Weight"
            return {"how": how, "value": _number(label="Number", initial=0.5, help_text="Above 0.")}
        case "merge":
            alike = _choices(exact="Exact repeats", near="Near duplicates, as the report grouped them")
            alike.label = "Merge"
            weight = _choices(sum="Add the weights up", one="Weight 1")
            weight.label = "The row that stays"
            return {"alike": alike, "weight": weight}
        case "split_conflicts":
            otherwise = _choices(drop="Leave them out", even="Keep them with label 0.5")
            otherwise.label = "Where votes do not decide"
            votes = _choices(raters="Each annotator, or source where none is named", rows="Every row")
            votes.label = "Who has a vote"
            votes.help_text = "Copies of a row by the same annotator, or without a name, are then one vote."
            return {"votes": votes, "otherwise": otherwise}
        case "resplit":
            share = _number(
                label="Held out, in %",
                initial=10,
                min_value=0,
                max_value=50,
                help_text="Whole clusters of prompts go to one side, as many as fit. Rows that earlier runs trained on "
                "may become held out: judge new runs by them, not the old ones.",
            )
            return {"share": share}
    return {}


class StepForm(forms.Form):
    """One step. After `is_valid`, `step` is set."""

    use_required_attribute = False
    finding = forms.ChoiceField(required=False, label="Rows of a finding")
    score = forms.ChoiceField(required=False, label="With a score")
    low = _number(label="From", required=False)
    high = _number(label="Up to", required=False)
    highest = forms.IntegerField(
        required=False, min_value=1, label="Only the highest", help_text="So many rows, by the score."
    )
    split = forms.ChoiceField(
        required=False, label="Side", choices=[("", "Both"), ("train", "Train"), ("held_out", "Held out")]
    )
    text = forms.CharField(required=False, max_length=200, label="With the words")
    tag = forms.CharField(required=False, max_length=40, label="With the tag")
    annotator = forms.CharField(required=False, max_length=200, label="By the annotator")
    source = forms.CharField(required=False, max_length=200, label="From the source")

    def __init__(
        self,
        action: str,
        report: Report | None,
        data: Mapping[str, Any] | None = None,
        kept: Filter | None = None,
        **options: Any,
    ) -> None:
        """`kept` holds conditions that the form has no field for; they stay."""
        options.setdefault("auto_id", "step_%s")
        super().__init__(data, **options)
        self.action, self.report = action, report
        self.step: AnyStep | None = None
        self.kept = kept or Filter()
        if action == "resplit":
            self.fields.clear()
        else:
            self._offer(report)
        self.own_names = list(own_fields(action))
        self.fields.update(own_fields(action))

    def _offer(self, report: Report | None) -> None:
        """The findings and scores that there are."""
        found = [(name, _shortened(words)) for name, words in found_rows(report)]
        sizes = [name for name in (report.scores if report else ()) if name not in NOT_SIZES]
        names = list(dict.fromkeys([*sizes, *MEASURES]))
        self.fields["finding"].choices = [("", "Any row"), *found]  # type: ignore[attr-defined]
        self.fields["score"].choices = [("", "Any"), *((name, score_label(name)) for name in names)]  # type: ignore[attr-defined]

    @classmethod
    def of(cls, step: AnyStep, report: Report | None) -> StepForm:
        """The form that shows a step; a finding or score that the report does not have is still named."""
        rows, bounds = step.rows, next(iter(step.rows.bounds), None)
        values: dict[str, Any] = {name: getattr(rows, name) for name in SHOWN}
        if bounds:
            values |= {"score": bounds.score, "low": bounds.low, "high": bounds.high}
        if step.highest:
            values |= {"score": step.highest.score, "highest": step.highest.count}
        values |= {name: getattr(step, name) for name in own_fields(step.action)}
        if "share" in values:
            values["share"] = round(100 * values["share"], 2)
        form = cls(step.action, report, kept=rows, initial=values)
        for name in ("finding", "score"):
            form._keep(name, values.get(name, ""))
        return form

    def _keep(self, name: str, value: str) -> None:
        choices = self.fields[name].choices if name in self.fields else []  # type: ignore[attr-defined]
        if value and name in self.fields and value not in dict(choices):
            self.fields[name].choices = [*choices, (value, f"{value} (not in this report)")]  # type: ignore[attr-defined]

    def full_clean(self) -> None:
        """A finding or score of another version's report may be named: it means no rows here, or a sentence."""
        for name in ("finding", "score"):
            if self.is_bound:
                self._keep(name, str(self.data.get(name, ""))[:100])
        super().full_clean()

    @property
    def also(self) -> str:
        """The conditions without a field, in words."""
        return ", ".join(conditions(self.kept.model_copy(update=dict.fromkeys(SHOWN, "") | {"bounds": self.others})))

    @property
    def caution(self) -> str:
        """Which rows have a language at all, where the step is about one and not all were looked at."""
        notes = (self.report.notes or {}) if self.report else {}
        return notes.get("languages", "") if self.kept.language else ""

    @property
    def others(self) -> tuple[Bounds, ...]:
        """Bounds but for the first, which is the one the form shows."""
        return self.kept.bounds[1:]

    @property
    def row_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in self.own_names]

    @property
    def own(self) -> list[forms.BoundField]:
        return [self[name] for name in self.own_names]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        score, highest = cleaned.get("score", ""), cleaned.get("highest")
        bounded = cleaned.get("low") is not None or cleaned.get("high") is not None
        if (bounded or highest) and not score:
            self.add_error("score", "Choose the score that the numbers are about.")
            return cleaned
        if score and not (bounded or highest):
            self.add_error("score", "Say from or up to which number, or how many of the highest.")
            return cleaned
        self._build(cleaned, score, highest, bounded)
        return cleaned

    def _build(self, cleaned: dict[str, Any], score: str, highest: int | None, bounded: bool) -> None:
        own = {name: cleaned[name] for name in self.own_names if cleaned.get(name) not in ("", None)}
        if "share" in own:
            own["share"] = own["share"] / 100
        bounds = (Bounds(score=score, low=cleaned["low"], high=cleaned["high"]),) if bounded else ()
        shown = {name: cleaned.get(name, "") for name in SHOWN}
        rows = self.kept.model_copy(update=shown | {"bounds": (*bounds, *self.others)})
        count = Highest(score=score, count=highest) if highest else None
        try:
            self.step = STEPS[self.action](rows=rows, highest=count, **own)  # type: ignore[assignment]
        except ValidationError as error:
            for problem in error.errors():
                field = str(problem["loc"][0]) if problem["loc"] else None
                self.add_error(field if field in self.fields else None, f"{problem['msg']}.")


def _shortened(text: str, length: int = 90) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


class RecipeNameForm(forms.ModelForm):  # type: ignore[type-arg]
    """The name under which a recipe is saved; names are told apart without regard to case."""

    class Meta:
        model = SavedRecipe
        fields = ("name",)
        labels = {"name": "Name of the recipe"}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}

    def clean_name(self) -> str:
        name = plain_name(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError("A name needs at least one letter.")
        if SavedRecipe.objects.filter(name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("There is a recipe of this name. Choose another.")
        return name


class RecipeVersionForm(forms.Form):
    """The version that a saved recipe is applied to."""

    version = VersionChoice(
        queryset=DatasetVersion.objects.select_related("dataset").order_by("dataset__name", "-number"),
        label="Version to apply it to",
        empty_label="Choose a version",
        error_messages={
            "required": "Choose a version.",
            "invalid_choice": "There is no such version. Choose one of the list.",
        },
    )

    def clean_version(self) -> DatasetVersion:
        version: DatasetVersion = self.cleaned_data["version"]
        if not version.path.is_file():
            raise forms.ValidationError(f"The sealed file of {version} is not on this machine. Choose another.")
        return version
