"""URLs of datasets, their reports, runs, inspections and policies."""

from .views import cleaning, comparing, coverage, datasets, imports, inspections, pairs, policies, reports, runs

urlpatterns = [
    *imports.urls,  # before datasets: `new` is no dataset's name
    *datasets.urls,
    *cleaning.urls,
    *comparing.urls,
    *reports.urls,
    *pairs.urls,
    *coverage.urls,
    *runs.urls,
    *inspections.urls,
    *policies.urls,
]
