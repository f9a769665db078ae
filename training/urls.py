"""URLs of datasets, runs, inspections and policies."""

from .views import datasets, inspections, policies, runs

urlpatterns = [*datasets.urls, *runs.urls, *inspections.urls, *policies.urls]
