"""Celery's side of comparisons. A message only says "look for work"; what there is to do stands in the database."""

from __future__ import annotations

from celery import shared_task

from comparisons import assignment, drawing, generation, replying, sealing, stopping, sureness


@shared_task
def work_on_studies() -> None:
    """Generate the answers of studies that wait for them."""
    generation.work()


@shared_task
def work_on_sealings() -> None:
    """Seal judgements as dataset versions where somebody has asked for it."""
    sealing.work()


@shared_task
def work_on_surenesses() -> None:
    """Answer how sure results are where there are many judgements."""
    sureness.work()


@shared_task
def tend_open_studies() -> None:
    """Pause studies whose stop rule is met, and give the others the items that are due."""
    stopping.stop_where_due()
    drawing.draw_where_due()


@shared_task
def answer_turns() -> int:
    """Answer what raters of adversarial studies have written."""
    return replying.answer_turns()


@shared_task
def return_expired_leases() -> int:
    """Give items back whose raters did not come back."""
    return assignment.expire_leases()
