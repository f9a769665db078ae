from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("comparisons", "0004_move_guidelines_and_suites")]

    operations = [
        migrations.RemoveField(model_name="study", name="guideline"),
        migrations.RemoveField(model_name="study", name="suite"),
    ]
