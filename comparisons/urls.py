"""URLs of the home page, suites, studies, rating and results."""

from .views import home, rating, results, studies, suites

urlpatterns = [*home.urls, *suites.urls, *studies.urls, *results.urls, *rating.urls]
