"""URLs of datasets, their reports, runs, inspections and policies."""

from .views import datasets, inspections, policies, reports, runs

urlpatterns = [*datasets.urls, *reports.urls, *runs.urls, *inspections.urls, *policies.urls]
