"""Sets the environment of the panel's tests. Only DATABASE_URL comes from the caller.

Loaded before Django reads its settings.
"""

from __future__ import annotations

import os

for name in (
    "ALLOWED_HOSTS",
    "CURRENCY",
    "DEFAULT_FROM_EMAIL",
    "ENCRYPTION_KEYS",
    "LICENSE_OTHER_PUBLIC_KEYS",
    "LICENSE_SIGNING_KEY",
    "PANEL_DATABASE_URL",
    "LOG_FORMAT",
    "SECURITY_CONTACT",
    "SELLER_VAT_ID",
    "SECURITY_POLICY_URL",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "HSTS_PRELOAD",
    "TAX_NAME",
    "STS_ENDPOINT_URL",
    "TRUSTED_PROXY_COUNT",
):
    os.environ.pop(name, None)
    os.environ.pop(f"{name}_FILE", None)

SELLING = {
    "PRICE_1_MONTH": "99.00",
    "PRICE_12_MONTHS": "990.00",
    "TAX_RATE": "19",
    "SELLER_ADDRESS": "Vendor GmbH; Lindenstraße 1; 10115 Berlin; Germany",
    "SELLER_COUNTRY": "DE",
    "BANK_DETAILS": "Vendor GmbH; IBAN DE02 1203 0000 0000 2020 51",
}
for name in SELLING:
    os.environ.pop(f"{name}_FILE", None)

os.environ |= SELLING | {
    "EMAIL_URL": "consolemail://",
    "SECRET_KEY": "of no use outside a test run, and long enough for the check",
    "PANEL_URL": "http://testserver/panel",
    # AWS is moto's server, in the one test that asks it.
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    # Playwright keeps an event loop in this thread, and Django would refuse every query beside it.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}
if "DATABASE_URL" in os.environ:
    os.environ["PANEL_DATABASE_URL"] = os.environ["DATABASE_URL"]
