"""App configuration of training."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Registers datasets, runs and policies."""

    name = "training"
