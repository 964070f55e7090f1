"""The WSGI application of the portal. Installs LICENSE_KEY at startup."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "threatreaction.settings")
application = get_wsgi_application()

from license import startup  # noqa: E402  (its models need the application above)

startup.install_from_environment()
