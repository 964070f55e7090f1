"""Installs LICENSE_KEY when the portal starts to serve."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import Error
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license import status
from license.installation import ConfirmationNeeded, install
from license.models import License
from license.token import LicenseError

logger = logging.getLogger(__name__)


@sensitive_variables()
def install_from_environment() -> None:
    """Installs the key in LICENSE_KEY if it is valid and was never installed before.

    A start does not install a key again: somebody may have installed another one since. A refusal
    is logged, and nothing is raised: the portal must start so that somebody can install a key.
    """
    if not settings.LICENSE_KEY:
        return
    try:
        installation = install(
            settings.LICENSE_KEY,
            by=None,
            source=License.Source.ENVIRONMENT,
            at=timezone.now(),
            only_new=True,
        )
        present = status.current().claims
    except (LicenseError, ConfirmationNeeded) as refused:
        logger.error("LICENSE_KEY was not installed. %s", refused)
    except Error as error:
        logger.error("LICENSE_KEY was not installed. The database: %s", type(error).__name__)
    else:
        if installation.created:
            logger.info("LICENSE_KEY was installed: license %s.", installation.claims.jti)
        elif present and present.jti != installation.claims.jti:
            logger.info(
                "LICENSE_KEY (license %s) was installed before and is not installed again. License"
                " %s is in force. `manage.py setlicense` puts LICENSE_KEY in force.",
                installation.claims.jti,
                present.jti,
            )
