"""URLs of datasets, runs and policies."""

from .views import datasets, policies, runs

urlpatterns = [*datasets.urls, *runs.urls, *policies.urls]
