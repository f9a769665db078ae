"""What the tests of the rating page find: one person per test, each with a study of their own.

`python -m tests.e2e.prepare_rating` makes them, in the stack's environment.
"""

from __future__ import annotations

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")
django.setup()

from alignapp.accounts.models import Role, User  # noqa: E402
from comparisons.models import Item, ItemKind, RaterPool, Study  # noqa: E402
from tests.comparisons.rating_factories import make_answer, make_prompt, make_study  # noqa: E402
from tests.comparisons.test_checks import make_check  # noqa: E402

MARKDOWN = """# The ferry to Tesk

It leaves **every morning** from the old quay of *Orvane*: see [the timetable](https://ferries.example/times).

1. Buy a ticket.
2. Be there early.
   - Bring a passport.

| Day | Leaves |
|---|---|
| Monday | 7:00 |

```python
def minutes(hours: float) -> int:
    return round(60 * hours)  # a line of code that is far too long for a phone and scrolls sideways in its own box
```

> It has been so since the harbour was built.
"""
HOSTILE = """<script>document.title = "taken over"</script><img src=x onerror="document.title = 'taken over'">
[x](javascript:document.title='taken%20over') מתי המעבורת יוצאת? \u202eright to left\u202c and back
"""
LONG = MARKDOWN + "\n\n" + "\n\n".join(f"Paragraph {n}. " + "The islands are far away. " * 12 for n in range(20))
SHORT = [(f"At seven, from the old quay ({n}).", f"Perhaps at eight, from the new one ({n}).") for n in range(6)]
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Where is Orvane?"},
    {"role": "assistant", "content": "On the **northern** coast."},
    {"role": "user", "content": "And when does the ferry leave?"},
]
# Who rates what: the answers, the design, and how many training items come first.
PEOPLE: dict[str, tuple[list[tuple[str, str]], dict[str, Any], int]] = {
    "phone": (SHORT[:3], {}, 0),
    "newcomer": (SHORT[:1], {}, 0),
    "quick": (SHORT[:4], {}, 0),
    "offline": (SHORT[:3], {}, 0),
    "early": (SHORT[:2], {"minimum_seconds": 2}, 0),
    "tabs": (SHORT[:3], {}, 0),
    "back": (SHORT[:3], {}, 0),
    "closed": (SHORT[:3], {}, 0),
    "leaver": (SHORT[:3], {}, 0),
    "viewer": ([(LONG, LONG.replace("seven", "eight").replace("quay", "pier")), (HOSTILE, MARKDOWN)], {}, 0),
    "targets": ([(LONG, MARKDOWN)], {"strength": True}, 0),
    "compares": (SHORT[:1], {}, 0),
    "grader": (SHORT[:2], {"strength": True, "ties": False, "reasons": False}, 0),
    "trainee": (SHORT[:1], {"training_share_right": 1.0}, 1),
    "looks": ([(LONG, MARKDOWN), *SHORT[:3]], {"strength": True}, 1),
    "reader": (SHORT[:3], {}, 0),
    "tired": (SHORT[:3], {"sitting_minutes": 1, "break_optional": True}, 0),
}


def main() -> None:
    """Make people, pools and studies."""
    for name, (texts, design, training) in PEOPLE.items():
        person = User.objects.create_user(name, password="islands", role=Role.ANNOTATOR)
        study = make_texts(texts, design)
        for _ in range(training):
            make_check(study, ItemKind.TRAINING)
        pool = RaterPool.objects.create(slug=name, name=name)
        pool.members.add(person)
        study.pools.add(pool)


def make_texts(texts: list[tuple[str, str]], design: dict[str, Any]) -> Study:
    """An open study of two policies with these answers; the first prompt is a conversation."""
    study = make_study(items=0, design=design)
    one, other = study.contenders.all()
    for position, (first, second) in enumerate(texts):
        prompt = make_prompt(study.suites.get(), position, f"When does the ferry leave? Question {position}.")
        if position == 0:
            prompt.messages = CONVERSATION
            prompt.save()
        answers = make_answer(one, prompt, first), make_answer(other, prompt, second)
        Item.objects.create(study=study, prompt=prompt, first=answers[0], second=answers[1], position=position)
    return study


if __name__ == "__main__":
    main()
