"""Sets the environment of a test run, which ignores that of the caller except DATABASE_URL.

pytest loads this plugin before Django loads the settings.
"""

from __future__ import annotations

import os

for name in (
    "ALLOWED_HOSTS",
    "ARCHIVE_BUCKET",
    "ARCHIVE_FINDINGS",
    "ARCHIVE_FOLDER",
    "BLOCK_DOMAIN_LISTS",
    "BLOCK_FOR",
    "BLOCK_IP_SETS",
    "BLOCK_PREFIX_LISTS",
    "BUCKET_POLICIES",
    "COMMIT",
    "CONTAINMENT",
    "DATABASE_HOST",
    "DATABASE_NAME",
    "DATABASE_PORT",
    "DATABASE_SECRET_ARN",
    "DATABASE_USER",
    "DEBUG",
    "DEFAULT_FROM_EMAIL",
    "ENCRYPTION_KEYS",
    "EVENTS_QUEUE_URL",
    "FINDINGS_QUEUE_URL",
    "ISOLATION",
    "LICENSE_KEY",
    "LICENSE_PUBLIC_KEY_PATH",
    "LOG_FORMAT",
    "MAX_CONTAINMENTS_PER_HOUR",
    "MEMBER_ACCOUNTS",
    "MEMBER_EXTERNAL_ID",
    "METRICS_TOKEN",
    "HSTS_PRELOAD",
    "NEVER_BLOCK",
    "NEVER_BLOCK_DOMAINS",
    "NOTIFY_ALLOWED_NETWORKS",
    "NOTIFY_TOPIC_ARN",
    "OIDC_SERVER_URL",
    "OWN_ADDRESSES",
    "PANEL_URL",
    "QUARANTINE_GROUPS",
    "REQUIRE_SECOND_FACTOR",
    "RETENTION_DAYS",
    "SAVE_BUCKET",
    "SECURITY_CONTACT",
    "SECURITY_POLICY_URL",
    "SESSION_IDLE_MINUTES",
    "STACK_ID",
    "TRUSTED_PROXY_COUNT",
    "UPDATE_URL",
):
    os.environ.pop(name, None)
    os.environ.pop(f"{name}_FILE", None)

os.environ |= {
    "DOTENV_PATH": "",  # disables .env and var/.env, also in child processes
    "EMAIL_URL": "consolemail://",
    "SECRET_KEY": "of no use outside a test run, and long enough for the check",
    "PORTAL_URL": "http://testserver",
    "AWS_ACCOUNT_ID": "123456789012",
    "REQUIRE_SECOND_FACTOR": "none",  # accounts/tests/test_required_factor.py tests it
    # Playwright runs an event loop in this thread, in which Django would refuse all queries.
    "DJANGO_ALLOW_ASYNC_UNSAFE": "true",
}
