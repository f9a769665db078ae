"""App configuration of comparisons."""

from django.apps import AppConfig


class ComparisonsConfig(AppConfig):
    """Registers serving, studies and ratings."""

    name = "comparisons"
