"""What the browser tests find in the product: three people and a tiny base model. `python -m tests.e2e.prepare`

Run in the stack's environment. The model's weights are random: its answers are gibberish, and its training is real.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
django.setup()

from django.conf import settings  # noqa: E402

from alignapp.accounts.models import Role, User  # noqa: E402
from training import policies  # noqa: E402

MAKE_MODEL = Path(__file__).resolve().parents[1] / "comparisons" / "make_tiny_policies.py"


def main() -> None:
    """Make the people and register the model."""
    for name, role in {"rosa": Role.RESEARCHER, "anna": Role.ANNOTATOR, "ada": Role.ADMIN}.items():
        User.objects.create_user(name, password="islands", role=role)
    folder = Path(settings.HOME) / "models"
    subprocess.run([sys.executable, str(MAKE_MODEL), str(folder)], check=True)
    policies.register_base("Tiny base", str(folder / "base"), None)


if __name__ == "__main__":
    main()
