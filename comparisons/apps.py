"""App configuration of comparisons."""

from django.apps import AppConfig


class ComparisonsConfig(AppConfig):
    """Registers serving, studies and ratings."""

    name = "comparisons"

    def ready(self) -> None:
        """Suites can be looked at by reports on data."""
        from comparisons.prompt_sets import SuiteSets
        from training.preferences import prompt_sets

        prompt_sets.register("suite", SuiteSets())
