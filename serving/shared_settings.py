"""Settings shared by the portal and the vendor's panel.

Both settings modules import everything here and add their own settings. docs/operations.md and
docs/licensing.md document the environment variables; tests compare them.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from serving import security_txt
from storage.environment import Env

django_stubs_ext.monkeypatch()  # allows ModelAdmin[License] at run time

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()  # FOO, or the file named by FOO_FILE (docker and systemd secrets)

# --- Where the site lives -----------------------------------------------------------------------


def parsed(name: str, url: str, *, like: str, path: str = "") -> SplitResult:
    """Returns the parts of the URL `url` of a site.

    Raises ImproperlyConfigured, with the variable `name` and the example `like`, unless it is an
    http(s) URL with exactly the path `path`.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path != path:
        msg = f"{name} must be like {like}; it is {url!r}."
        raise ImproperlyConfigured(msg)
    return parts


def address(name: str, value: str) -> tuple[str, int] | None:
    """Returns the host and the port in the value of the variable `name`; None if it is empty.

    Raises ImproperlyConfigured unless it is like 127.0.0.1:8000 or [::1]:8000.
    """
    if not value:
        return None
    host, _, port = value.rpartition(":")
    is_ipv6 = host.startswith("[") and host.endswith("]")
    try:
        ip = ip_address(host[1:-1] if is_ipv6 else host)
        if (ip.version == 6) != is_ipv6 or not 0 <= int(port) <= 65535:
            raise ValueError
    except ValueError:
        msg = f"{name} must be like 127.0.0.1:8000 or [::1]:8000; it is {value!r}."
        raise ImproperlyConfigured(msg) from None
    return str(ip), int(port)


def of_scheme(scheme: str) -> dict[str, Any]:
    """Returns the settings that depend on whether browsers use https."""
    is_https = scheme == "https"
    return {
        "SECURE_SSL_REDIRECT": is_https,
        "SECURE_HSTS_SECONDS": 365 * 24 * 60 * 60 if is_https else 0,
        "SECURE_HSTS_INCLUDE_SUBDOMAINS": is_https,
        "SECURE_HSTS_PRELOAD": is_https and env.bool("HSTS_PRELOAD", default=False),
        "SESSION_COOKIE_SECURE": is_https,
        "CSRF_COOKIE_SECURE": is_https,
        "ACCOUNT_DEFAULT_HTTP_PROTOCOL": scheme,
        "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": not is_https,  # browsers allow it on localhost only
    }


SILENCED_SYSTEM_CHECKS = ["security.W021"]  # only the owner of a domain can decide to preload HSTS
# The number of proxies in front of the site. Only their X-Forwarded-* headers are trusted.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
if ALLAUTH_TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

# --- Data ---------------------------------------------------------------------------------------


def database(url: dict[str, Any]) -> dict[str, Any]:
    """Returns DATABASES for the result of `env.db_url`."""
    if url["ENGINE"] == "django.db.backends.sqlite3":
        url["OPTIONS"] = {
            # A transaction takes the write lock when it begins, so that writers wait for each
            # other instead of failing halfway.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,  # seconds
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        url["CONN_MAX_AGE"] = 60  # seconds
        url["CONN_HEALTH_CHECKS"] = True
    return {"default": url}


# Rate limits are counted here, shared by all processes.
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes; the response to a larger body is 413

# --- People -------------------------------------------------------------------------------------

# Only one backend: each attempt costs one password hash, whether or not the account exists.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Threat Reaction] "
SESSION_SERIALIZER = "storage.session_serializer.EncryptedSerializer"
ACCOUNT_SESSION_REMEMBER = False  # a session ends with the browser
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1  # periods of 30 seconds, tolerates a wrong clock

# --- Safety -------------------------------------------------------------------------------------

SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # data: the QR code of a second factor
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
PERMISSIONS_POLICY: dict[str, list[str]] = {
    feature: []
    for feature in ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")
}

# security.txt: where to report a vulnerability.
SECURITY_CONTACT = security_txt.contacts(
    env.list("SECURITY_CONTACT", default=["security@threatreaction.com"])
)
SECURITY_POLICY_URL = security_txt.policy(
    env.str("SECURITY_POLICY_URL", default="https://threatreaction.com/security")
)

# --- Pages --------------------------------------------------------------------------------------


def templates(*, folders: list[Path], context_processors: list[str]) -> list[dict[str, Any]]:
    """Returns TEMPLATES with these folders, and these context processors after Django's."""
    return [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": folders,
            "APP_DIRS": True,
            "OPTIONS": {
                "builtins": ["storage.template_filters"],
                "context_processors": [
                    "django.template.context_processors.request",
                    "django.contrib.auth.context_processors.auth",
                    "django.contrib.messages.context_processors.messages",
                    *context_processors,
                ],
            },
        },
    ]


LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "serving.formats"

STATICFILES_DIRS = [BASE_DIR / "public" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Mail and logs ------------------------------------------------------------------------------

# Without EMAIL_URL no mail is sent or logged: mail contains secrets.
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
MAIL_IS_SET_UP = vars()["EMAIL_BACKEND"] != "django.core.mail.backends.dummy.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds

LOG_FORMAT = env.str("LOG_FORMAT", default="text")
if LOG_FORMAT not in {"text", "json"}:
    msg = f"LOG_FORMAT must be text or json; it is {LOG_FORMAT!r}."
    raise ImproperlyConfigured(msg)

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "serving.logs.JSONFormatter"}
        if LOG_FORMAT == "json"
        else {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "message": {"format": "{message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "json": {"class": "logging.StreamHandler", "formatter": "message"},
    },
    "root": {"handlers": ["console"], "level": "INFO"},
}
