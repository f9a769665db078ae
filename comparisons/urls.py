"""URLs of the home page, suites, collections, studies, rating and results."""

from .views import collections, gaps, home, rating, results, studies, suites

urlpatterns = [*home.urls, *suites.urls, *studies.urls, *results.urls, *rating.urls, *collections.urls, *gaps.urls]
