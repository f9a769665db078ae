import hashlib
from typing import Any

from django.db import migrations, models


def digest_what_is_there(apps: Any, schema_editor: Any) -> None:
    """As comparisons.suites.digest_of_all."""
    for suite in apps.get_model("comparisons", "Suite").objects.all():
        digests = suite.prompts.order_by("position").values_list("sha256", flat=True)
        suite.sha256 = hashlib.sha256("\n".join(digests).encode()).hexdigest()
        suite.save(update_fields=["sha256"])


class Migration(migrations.Migration):
    dependencies = [
        ("comparisons", "0005_remove_study_guideline_and_suite"),
    ]

    operations = [
        migrations.AddField(
            model_name="suite",
            name="sha256",
            field=models.CharField(blank=True, help_text="Of its prompts, in order.", max_length=64),
        ),
        migrations.RunPython(digest_what_is_there, migrations.RunPython.noop),
    ]
