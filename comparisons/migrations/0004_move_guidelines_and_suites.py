"""Give every study its guideline as version 1, its suite as the only one, and every item its count of taken places."""

from django.db import migrations
from django.db.models import Count, Q


def move(apps, schema_editor):
    Study, Guideline, Item, Rating = (
        apps.get_model("comparisons", name) for name in ("Study", "Guideline", "Item", "Rating")
    )
    for study in Study.objects.iterator():
        Study.suites.through.objects.create(study_id=study.pk, suite_id=study.suite_id)
        if study.guideline:
            values = {"text": study.guideline, "created_at": study.created_at, "created_by_id": study.created_by_id}
            guideline = Guideline.objects.create(study=study, number=1, **values)
            Rating.objects.filter(assignment__item__study=study).update(guideline=guideline)
    taken = Count("assignments", filter=Q(assignments__state__in=["open", "done"]))
    for item in Item.objects.annotate(taken=taken).filter(taken__gt=0).iterator():
        Item.objects.filter(pk=item.pk).update(held=item.taken)


class Migration(migrations.Migration):
    dependencies = [("comparisons", "0003_designs_checks_conversations_campaigns")]

    operations = [migrations.RunPython(move, migrations.RunPython.noop)]
