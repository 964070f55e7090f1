"""What happens when the portal starts to serve."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import Error
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license.installation import ConfirmationNeeded, install
from license.models import License
from license.token import LicenseError

logger = logging.getLogger(__name__)


@sensitive_variables()
def install_from_environment() -> None:
    """Installs LICENSE_KEY if it is new and verifies. A refusal is logged and stops nothing: the
    portal must start, so that somebody can mend it."""
    if not settings.LICENSE_KEY:
        return
    try:
        installation = install(
            settings.LICENSE_KEY, by=None, source=License.Source.ENVIRONMENT, at=timezone.now()
        )
    except (LicenseError, ConfirmationNeeded) as refused:
        logger.error("LICENSE_KEY was not installed. %s", refused)
    except Error as error:
        logger.error("LICENSE_KEY was not installed. The database: %s", type(error).__name__)
    else:
        if installation.created:
            logger.info("LICENSE_KEY was installed: license %s.", installation.claims.jti)
