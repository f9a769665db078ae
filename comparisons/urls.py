"""URLs of the home page, suites, collections, studies, rating, what raters write, and results."""

from .views import attempts, collections, gaps, home, managing, rating, results, studies, suites

urlpatterns = [
    *home.urls,
    *suites.urls,
    *attempts.urls,
    *studies.urls,
    *managing.urls,
    *results.urls,
    *rating.urls,
    *collections.urls,
    *gaps.urls,
]
