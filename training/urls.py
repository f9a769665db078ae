"""URLs of datasets, their reports, runs, inspections and policies."""

from .views import coverage, datasets, imports, inspections, pairs, policies, reports, runs

urlpatterns = [
    *imports.urls,  # before datasets: `new` is no dataset's name
    *datasets.urls,
    *reports.urls,
    *pairs.urls,
    *coverage.urls,
    *runs.urls,
    *inspections.urls,
    *policies.urls,
]
