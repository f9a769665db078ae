"""WSGI entry point, for hosts without ASGI; pages work, live streams fall back to polling."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alignapp.settings")

application = get_wsgi_application()
