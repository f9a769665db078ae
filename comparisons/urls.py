"""URLs of the home page, suites, collections, studies, rating, what raters write, results, export and campaigns."""

from .views import (
    attempts,
    campaigns,
    checks,
    collections,
    export,
    extension,
    gaps,
    guidelines,
    home,
    managing,
    people,
    rating,
    rating_home,
    results,
    sealing,
    studies,
    study_making,
    suites,
)

urlpatterns = [
    # Asked for most by far, so looked at first.
    *rating_home.urls,
    *rating.urls,
    *home.urls,
    *suites.urls,
    *attempts.urls,
    *study_making.urls,
    *studies.urls,
    *managing.urls,
    *checks.urls,
    *guidelines.urls,
    *extension.urls,
    *people.urls,
    *results.urls,
    *export.urls,
    *sealing.urls,
    *collections.urls,
    *gaps.urls,
    *campaigns.urls,
]
