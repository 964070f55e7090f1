"""The settings of the portal, in addition to those of serving.shared_settings.

The defaults are secure. docs/operations.md lists all environment variables; a test compares it with
the settings.
"""

from __future__ import annotations

import os
import re
from ipaddress import ip_network
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from serving import security_txt
from storage.environment import read_env_files
from storage.postgresql import configuration

read_env_files(Path(__file__).resolve().parent.parent, only=os.environ.get("DOTENV_PATH"))

from serving.shared_settings import *  # noqa: E402  (it reads the environment)

# --- URL and secrets --------------------------------------------------------------------------

# The hosts, the cookie settings and HSTS are derived from PORTAL_URL.
PORTAL_URL = env.str("PORTAL_URL", default="https://localhost").rstrip("/")
_portal = parsed("PORTAL_URL", PORTAL_URL, like="https://portal.example.com, without a path")
vars().update(of_scheme(_portal.scheme))

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = (
    env.str("SECRET_KEY", default="only for development") if DEBUG else env.str("SECRET_KEY")
)
# For secrets in the database: the first key encrypts, all keys decrypt.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[]) or [SECRET_KEY]
ALLOWED_HOSTS = [_portal.hostname, *env.list("ALLOWED_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = [PORTAL_URL]

# --- The license ------------------------------------------------------------------------------

AWS_ACCOUNT_ID = env.str("AWS_ACCOUNT_ID", default="")
LICENSE_KEY = env.str("LICENSE_KEY", default="")
LICENSE_PUBLIC_KEY_PATH = BASE_DIR / env.str(
    "LICENSE_PUBLIC_KEY_PATH", default="public/public-key.pem"
)
LICENSE_REVOCATIONS_PATH = BASE_DIR / "public" / "revocations.jwt"
PANEL_URL = env.str("PANEL_URL", default="https://threatreaction.com/panel").rstrip("/")

# Signs a challenge of the panel with AWS credentials. The app license does not know AWS.
LICENSE_ACCOUNT_PROVER = "actions.aws.account_proof.sign"

# The views whose writes do not require a license. All other writes do.
# Without a license, users must still be able to sign in, fix the license, protect their own account
# and revoke access.
LICENSE_EXEMPT_VIEWS = [
    # Sign-in, second factors and sign-out.
    "account_login",
    "account_logout",
    "account_reauthenticate",
    "mfa_authenticate",
    "mfa_reauthenticate",
    "mfa_login_webauthn",
    "mfa_reauthenticate_webauthn",
    "openid_connect_login",
    "admin:logout",
    # Validating and installing a license.
    "license:page",
    "license:preview",
    "admin:license_license_add",
    # Previewing policy changes, without saving them.
    "findings:preview",
    # Asking a worker to look, which changes nothing in AWS or in the portal: whether AWS answers
    # it, and whether there is a new version. A lapsed license must not hide a broken containment.
    "console:self_test",
    "console:update_check",
    "api:plan_findings",  # POST, because the policy to plan is its body
    # Obtaining an API token.
    "oauth_token",
    # Protecting the user's own account.
    "account_change_password",
    "account_set_password",
    "usersessions_list",  # ends the user's own sessions
    "account_reset_password",
    "account_reset_password_from_key",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_generate_recovery_codes",
    "mfa_add_webauthn",
    "mfa_remove_webauthn",
    # Revoking access: tokens and API clients.
    "oauth_revoke",
    "admin:allauth_idp_oidc_client_changelist",  # its only action deletes clients
    "admin:allauth_idp_oidc_client_delete",
    "person-deactivate",
    "client-secret",  # ends a secret that leaked; the new one allows no more
    "client-delete",
]
# Views whose writes are exempt only if a function returns True.
LICENSE_EXEMPT_WHERE = {
    "admin:auth_user_change": "accounts.demotion.only_takes_power_away",
    "person-role": "accounts.demotion.only_lowers_role",
    "client-scopes": "accounts.demotion.only_removes_scopes",
}

# The views that users can open before they enroll a required second factor.
ENROLLMENT_VIEWS = [
    "account_logout",
    "account_reauthenticate",
    "mfa_reauthenticate",
    "mfa_reauthenticate_webauthn",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "problems:page",  # explains the requirement
]
# These views do not use the session.
UNAUTHENTICATED_VIEWS = ["oauth_token", "oauth_revoke"]

# --- Containment --------------------------------------------------------------------------------

# boto3 gets the AWS region and credentials from the environment or the instance.
FINDINGS_QUEUE_URL = env.str("FINDINGS_QUEUE_URL", default="")
# The public addresses from which the account's own instances call AWS, as CIDRs.
OWN_ADDRESSES = env.list("OWN_ADDRESSES", default=[])
EVENTS_QUEUE_URL = env.str("EVENTS_QUEUE_URL", default="")  # S3 events; manage.py processevents
CONTAINMENT = env.str("CONTAINMENT", default="dry-run")  # or "on"; actions.checks validates it
BLOCK_IP_SETS = env.list("BLOCK_IP_SETS", default=[])  # ARNs of WAFv2 IP sets
BLOCK_PREFIX_LISTS = env.list("BLOCK_PREFIX_LISTS", default=[])  # ARNs of EC2 prefix lists
BLOCK_DOMAIN_LISTS = env.list("BLOCK_DOMAIN_LISTS", default=[])  # ARNs of DNS Firewall lists
NEVER_BLOCK_DOMAINS = env.list("NEVER_BLOCK_DOMAINS", default=[])  # and their subdomains
ISOLATION = env.str("ISOLATION", default="off")  # or "on"; actions.checks validates it
BUCKET_POLICIES = env.str("BUCKET_POLICIES", default="off")  # likewise
QUARANTINE_GROUPS = env.list("QUARANTINE_GROUPS", default=[])  # IDs of security groups
# The accounts in which the portal assumes the role of deploy/member.yaml: "all", "none" or a list.
MEMBER_ACCOUNTS = env.list("MEMBER_ACCOUNTS", default=[])
MEMBER_EXTERNAL_ID = env.str("MEMBER_EXTERNAL_ID", default=f"threatreaction-{AWS_ACCOUNT_ID}")
ARCHIVE_FINDINGS = env.str("ARCHIVE_FINDINGS", default="off")  # or "on", in GuardDuty
SAVE_BUCKET = env.str("SAVE_BUCKET", default="")
NOTIFY_TOPIC_ARN = env.str("NOTIFY_TOPIC_ARN", default="")
# The private networks in which destinations of notifications may be: CIDRs.
NOTIFY_ALLOWED_NETWORKS = env.list("NOTIFY_ALLOWED_NETWORKS", default=[])
for _network in NOTIFY_ALLOWED_NETWORKS:
    try:
        ip_network(_network)
    except ValueError as error:
        msg = f"NOTIFY_ALLOWED_NETWORKS must be CIDRs, separated by commas: {error}."
        raise ImproperlyConfigured(msg) from None
BLOCK_FOR = env.str("BLOCK_FOR", default="7d")  # "" for ever; actions.checks validates it
NEVER_BLOCK = env.list("NEVER_BLOCK", default=[])  # CIDRs
MAX_CONTAINMENTS_PER_HOUR = env.int("MAX_CONTAINMENTS_PER_HOUR", default=100)

# --- Retention ----------------------------------------------------------------------------------

# Older findings go to the archive; 0 keeps them all. actions.checks validates it.
RETENTION_DAYS = env.str("RETENTION_DAYS", default="400")
ARCHIVE_BUCKET = env.str("ARCHIVE_BUCKET", default="")  # "name" or "name/prefix"
ARCHIVE_FOLDER = BASE_DIR / env.str("ARCHIVE_FOLDER", default="var/archive")  # without a bucket

# --- Monitoring ---------------------------------------------------------------------------------

METRICS_TOKEN = env.str("METRICS_TOKEN", default="").strip()  # without it there is no /metrics
if METRICS_TOKEN and not re.fullmatch(r"[!-~]{16,}", METRICS_TOKEN):
    msg = "METRICS_TOKEN must be 16 or more characters of ASCII, without spaces."  # not its value
    raise ImproperlyConfigured(msg)

# The address of the worker's own server: /healthz, /readyz and, with METRICS_TOKEN, /metrics.
WORKER_BIND = address("WORKER_BIND", env.str("WORKER_BIND", default=""))
# Names this deployment in the metrics that the worker logs for CloudWatch.
DEPLOYMENT = env.str("DEPLOYMENT", default="threatreaction")
if not re.fullmatch(r"[A-Za-z0-9._/-]{1,128}", DEPLOYMENT):
    msg = (
        "DEPLOYMENT must be 1 to 128 characters: letters, digits, '.', '_', '/' and '-';"
        f" it is {DEPLOYMENT!r}."
    )
    raise ImproperlyConfigured(msg)

# --- What runs here -----------------------------------------------------------------------------

STACK_ID = env.str("STACK_ID", default="")  # the ARN of the CloudFormation stack
COMMIT = env.str("COMMIT", default="")  # of the image; deploy/Containerfile sets it
UPDATE_URL = env.str("UPDATE_URL", default="")  # a document about the newest version; off if empty

# --- Applications -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "notifications",
    "actions",
    "detectors",
    "findings",
    "accounts",
    "license",
    "serving",  # manage.py rotateencryptionkey
    "threatreaction.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "allauth.idp.oidc",
    "csp",
    "django_htmx",
    "ninja",
]

MIDDLEWARE = [
    "threatreaction.access_log.AccessLogMiddleware",  # around all others
    "threatreaction.health.HealthMiddleware",  # before the checks of Host and HTTPS
    "serving.head.HeadMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    # Before every middleware with process_view; license.checks enforces it.
    "license.middleware.LicenseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "accounts.middleware.IdleTimeoutMiddleware",
    "accounts.middleware.SignOutMiddleware",
    "accounts.middleware.AnonymousWriteMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.SignInMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "threatreaction.errors.MethodNotAllowedMiddleware",
    "threatreaction.middleware.NoNulMiddleware",
    "accounts.middleware.WriteMiddleware",  # last; accounts.checks enforces it
]

ROOT_URLCONF = "threatreaction.urls"
WSGI_APPLICATION = "threatreaction.wsgi.application"

TEMPLATES = templates(
    folders=[BASE_DIR / "templates"],
    context_processors=[
        "license.context_processors.license_status",
        "accounts.context_processors.mail",
        "actions.context_processors.circuit_breaker",
    ],
)

# --- Data -------------------------------------------------------------------------------------

# Either DATABASE_URL, or the parts with a secret in AWS Secrets Manager.
_by_secret = configuration.from_parts(
    url_is_set=bool(env.str("DATABASE_URL", default="")),
    host=env.str("DATABASE_HOST", default=""),
    port=env.int("DATABASE_PORT", default=5432),
    name=env.str("DATABASE_NAME", default=""),
    user=env.str("DATABASE_USER", default=""),
    secret_arn=env.str("DATABASE_SECRET_ARN", default=""),
)
DATABASES = database(
    _by_secret
    or env.db_url(
        "DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'threatreaction.sqlite3'}"
    )
)

# Above this limit, Django culls rows: an attacker with many IP addresses could remove the counts of
# failed sign-ins. The limit is not higher because each write counts the rows.
CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 20_000}

# --- Users and API clients --------------------------------------------------------------------

AUTH_PASSWORD_VALIDATORS: list[dict[str, object]] = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Who must have a second factor: none, administrators or everyone.
REQUIRE_SECOND_FACTOR = env.str(
    "REQUIRE_SECOND_FACTOR", default="none" if DEBUG else "administrators"
)
if REQUIRE_SECOND_FACTOR not in {"none", "administrators", "everyone"}:
    msg = (
        "REQUIRE_SECOND_FACTOR must be none, administrators or everyone;"
        f" it is {REQUIRE_SECOND_FACTOR!r}."
    )
    raise ImproperlyConfigured(msg)
SESSION_IDLE_MINUTES = env.int("SESSION_IDLE_MINUTES", default=60)
SESSION_COOKIE_AGE = 12 * 60 * 60  # seconds after sign-in, regardless of activity
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"

ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"  # no sign-up
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "user_token": "accounts.forms.LinkForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "add_email": "accounts.forms.AddEmailForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
}
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # administrators or the identity provider verify it
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no email to addresses without an account
ACCOUNT_EMAIL_NOTIFICATIONS = True  # about changed passwords and second factors
ACCOUNT_REAUTHENTICATION_REQUIRED = True
# Failed attempts: by client address, then by account and client address (accounts/adapters.py).
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/m/key,20/h/key"}
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL

MFA_ADAPTER = "accounts.adapters.MFAAdapter"  # encrypts secrets
MFA_FORMS = {
    "authenticate": "accounts.forms.CodeForm",
    "reauthenticate": "accounts.forms.ReauthenticateByCodeForm",
    "activate_totp": "accounts.forms.ActivateAppForm",
    "login_webauthn": "accounts.forms.PasskeyLoginForm",
    "authenticate_webauthn": "accounts.forms.PasskeyAuthenticateForm",
    "reauthenticate_webauthn": "accounts.forms.PasskeyReauthenticateForm",
    "add_webauthn": "accounts.forms.PasskeyAddForm",
}
MFA_TOTP_ISSUER = "Threat Reaction"
MFA_ALLOW_UNVERIFIED_EMAIL = True  # see ACCOUNT_EMAIL_VERIFICATION

# Single sign-on with any OpenID Connect provider. Register this redirect URI:
# PORTAL_URL/accounts/oidc/sso/login/callback/
SOCIALACCOUNT_ADAPTER = "accounts.adapters.SocialAccountAdapter"
SOCIALACCOUNT_PROVIDERS: dict[str, dict[str, list[dict[str, object]]]] = {}
OIDC_SERVER_URL = env.str("OIDC_SERVER_URL", default="")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")  # "Sign in with ..."
if OIDC_SERVER_URL:
    SOCIALACCOUNT_PROVIDERS["openid_connect"] = {
        "APPS": [
            {
                "provider_id": "sso",
                "name": OIDC_NAME,
                "client_id": env.str("OIDC_CLIENT_ID"),
                "secret": env.str("OIDC_CLIENT_SECRET"),
                "settings": {"server_url": OIDC_SERVER_URL, "oauth_pkce_enabled": True},
            }
        ]
    }

# API clients: client credentials grant, opaque tokens (accounts/views.py refuses other grants).
IDP_OIDC_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]
IDP_OIDC_ACCESS_TOKEN_EXPIRES_IN = 60 * 60  # seconds

ANONYMOUS_WRITE_RATE = "60/m/ip"  # unauthenticated writes, by IP address

# --- Security ---------------------------------------------------------------------------------

CSRF_FAILURE_VIEW = "threatreaction.errors.csrf_failure"

# security.txt: where to report a vulnerability.
SECURITY_TXT_URL = PORTAL_URL + security_txt.PATH

# --- Pages, email and logs --------------------------------------------------------------------

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"threatreaction@{_portal.hostname}")

LOGGING["loggers"] = {
    "threatreaction.security": {"handlers": ["json"], "propagate": False},  # JSON lines
    "threatreaction.metrics": {"handlers": ["json"], "propagate": False},  # for CloudWatch
    "threatreaction.access": {"level": "INFO" if LOG_FORMAT == "json" else "WARNING"},
    "oauthlib": {"level": "INFO"},  # DEBUG logs access tokens
    "botocore": {"level": "WARNING"},  # INFO logs the creation of each client
}
