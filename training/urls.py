"""URLs of datasets, their reports, runs, inspections and policies."""

from .views import (
    cleaning,
    comparing,
    coverage,
    datasets,
    imports,
    inspections,
    pairs,
    policies,
    recipes,
    reports,
    runs,
    second_look,
)

urlpatterns = [
    *imports.urls,  # before datasets: `new` is no dataset's name
    *datasets.urls,
    *cleaning.urls,
    *recipes.urls,
    *comparing.urls,
    *reports.urls,
    *pairs.urls,
    *second_look.urls,
    *coverage.urls,
    *runs.urls,
    *inspections.urls,
    *policies.urls,
]
