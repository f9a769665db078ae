"""URLs of the home page, suites, collections, studies, rating, what raters write, results, export and campaigns."""

from .views import (
    attempts,
    campaigns,
    checks,
    collections,
    export,
    gaps,
    guidelines,
    home,
    managing,
    people,
    rating,
    rating_home,
    results,
    studies,
    study_making,
    suites,
)

urlpatterns = [
    *home.urls,
    *suites.urls,
    *attempts.urls,
    *study_making.urls,
    *studies.urls,
    *managing.urls,
    *checks.urls,
    *guidelines.urls,
    *people.urls,
    *results.urls,
    *export.urls,
    *rating_home.urls,
    *rating.urls,
    *collections.urls,
    *gaps.urls,
    *campaigns.urls,
]
