"""App configuration of training."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Registers datasets, runs and policies."""

    name = "training"

    def ready(self) -> None:
        """Samples of production prompts can be looked at by reports."""
        from training.preferences import prompt_sets
        from training.preferences.samples import SampleSets

        prompt_sets.register("sample", SampleSets())
