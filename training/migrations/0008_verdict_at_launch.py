from typing import Any

from django.db import migrations, models


def say_why_reasons_were_given(apps: Any, schema_editor: Any) -> None:
    """Until now a reason was asked for, and kept, in one case alone."""
    runs = apps.get_model("training", "Run").objects
    runs.exclude(override_reason="").update(data_verdict="do_not_train")


class Migration(migrations.Migration):
    dependencies = [
        ("training", "0007_cleaning_jobs"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="data_verdict",
            field=models.CharField(
                blank=True,
                help_text="What the report on its data said when it was queued: training.preferences.report.Verdict, "
                "or unchecked; empty where none is asked.",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="run",
            name="override_reason",
            field=models.TextField(
                blank=True,
                help_text="Why it was launched although the report on its data said do not train, or was not there.",
            ),
        ),
        migrations.RunPython(say_why_reasons_were_given, migrations.RunPython.noop),
    ]
