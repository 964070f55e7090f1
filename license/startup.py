"""Installs LICENSE_KEY when the portal starts."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import Error
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from license import status
from license.installation import ConfirmationNeeded, install
from license.models import License
from license.reasons import LicenseError

logger = logging.getLogger(__name__)


@sensitive_variables()
def install_from_environment() -> None:
    """Install the key in LICENSE_KEY if it is valid and was never installed before.

    Logs errors and raises nothing, so that the portal starts and a key can be installed. A restart
    does not install the key again, because another key may have been installed meanwhile.
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
                " %s is in force. To put LICENSE_KEY in force, use `manage.py setlicense`.",
                installation.claims.jti,
                present.jti,
            )
