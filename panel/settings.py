"""Every setting of the customer panel, the vendor's own site. Safe when the environment is empty.

docs/licensing.md lists each environment variable; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from serving import security_txt
from storage.environment import Env

django_stubs_ext.monkeypatch()  # so that ModelAdmin[Order] and its like exist at run time

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()  # FOO, or the file named by FOO_FILE (docker and systemd secrets)

# --- Where the panel lives --------------------------------------------------------------------

# The same variable, with the same meaning, as in the portal that links to it.
PANEL_URL = env.str("PANEL_URL", default="https://localhost/panel").rstrip("/")
_panel = urlsplit(PANEL_URL)
if _panel.scheme not in {"http", "https"} or not _panel.hostname or _panel.path != "/panel":
    msg = f"PANEL_URL must be like https://example.com/panel; it is {PANEL_URL!r}."
    raise ImproperlyConfigured(msg)
_https = _panel.scheme == "https"

SECRET_KEY = env.str("SECRET_KEY")
# Of the second factors in the database: the first encrypts, all decrypt.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[SECRET_KEY])
ALLOWED_HOSTS = [_panel.hostname, *env.list("ALLOWED_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = [f"{_panel.scheme}://{_panel.netloc}"]

# --- Licenses ---------------------------------------------------------------------------------

# A PEM file that nobody else can read, or kms:<key id or ARN>. panel.checks looks after it.
LICENSE_SIGNING_KEY = env.str("LICENSE_SIGNING_KEY", default="")
# During a rotation: a bundle of further public keys, old or next, that are published beside ours.
LICENSE_OTHER_PUBLIC_KEYS = env.str("LICENSE_OTHER_PUBLIC_KEYS", default="")

# Without these keys an order waits until a member of staff marks it paid.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_PRICES = {  # Stripe's price ids, by the months that they pay for
    1: env.str("STRIPE_PRICE_1_MONTH", default=""),
    12: env.str("STRIPE_PRICE_12_MONTHS", default=""),
}
STRIPE_API_URL = "https://api.stripe.com"

# --- Applications -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "panel",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_permissions_policy.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "panel.middleware.SignInMiddleware",  # last; panel.checks insists on it
]

ROOT_URLCONF = "panel.urls"
WSGI_APPLICATION = "panel.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # The panel's own pages stand on the portal's base.
        "DIRS": [BASE_DIR / "panel" / "templates", BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "panel.context_processors.mail",
            ],
        },
    },
]

# --- Data -------------------------------------------------------------------------------------

DATABASES = {
    "default": env.db_url(
        "PANEL_DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'panel.sqlite3'}"
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # A transaction takes the write lock when it begins: two writers queue up, which
        # panel.issuing builds on.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,  # seconds
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60  # seconds
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

# Rate limits are counted, and mailed codes kept, where every process sees them.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        # Codes and limits are kept here. With Django's 300, a stranger could crowd them out.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # bytes; a larger body is answered 413

# --- People -----------------------------------------------------------------------------------

# An e-mail address and the code that is sent there: nobody has a password here. Staff need a second
# factor beside it (panel/middleware.py).
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = "account_request_login_code"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "panel.adapters.AccountAdapter"  # limits mail by the address that it goes to
ACCOUNT_FORMS = {
    "confirm_login_code": "panel.forms.ConfirmLoginCodeForm",
    "confirm_email_verification_code": "panel.forms.ConfirmEmailVerificationCodeForm",
}
# By client address alone: a stranger who asks in somebody's name must not use up their limit.
ACCOUNT_RATE_LIMITS = {
    "request_login_code": "10/m/ip,60/h/ip",
    "signup": "10/m/ip,60/h/ip",
    "confirm_email": "",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_EMAIL_MAX_LENGTH = 150  # it is the user name too
ACCOUNT_USER_DISPLAY = "panel.adapters.user_display"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Threat Reaction] "
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60  # seconds: mail can be slow
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _panel.scheme
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of a changed second factor
ACCOUNT_SESSION_REMEMBER = False  # a session ends with the browser
SESSION_IDLE_MINUTES = 120
STAFF_SESSION_IDLE_MINUTES = 30
SESSION_COOKIE_AGE = 8 * 60 * 60  # seconds, from sign-in on, however active
# Seconds for which a second factor that staff have shown is enough to write.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL

MFA_ADAPTER = "panel.adapters.MFAAdapter"  # encrypts secrets
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_FORMS = {
    "authenticate_webauthn": "panel.forms.AuthenticateWebAuthnForm",
    "reauthenticate_webauthn": "panel.forms.ReauthenticateWebAuthnForm",
    "login_webauthn": "panel.forms.LoginWebAuthnForm",
    "add_webauthn": "panel.forms.AddWebAuthnForm",
}
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _https  # browsers allow it on localhost alone
MFA_TOTP_ISSUER = "Threat Reaction licensing"
MFA_TOTP_TOLERANCE = 1  # periods of 30 seconds, for the clock of a phone

# allauth: behind how many proxies do we stand? Their X-Forwarded-* headers are believed, no others.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)

# --- Safety -----------------------------------------------------------------------------------

if ALLAUTH_TRUSTED_PROXY_COUNT:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = _https
SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60 if _https else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _https
SECURE_HSTS_PRELOAD = _https
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _https
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Cookies know no ports: beside a portal on the same host, each keeps its own.
SESSION_COOKIE_NAME = "panel_sessionid"
CSRF_COOKIE_NAME = "panel_csrftoken"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
X_FRAME_OPTIONS = "DENY"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # data: the QR code of a second factor
        "connect-src": [SELF],
        # An order that is sent leads on to Stripe's own page.
        "form-action": [SELF, "https://checkout.stripe.com"],
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
SECURITY_TXT_URL = PANEL_URL.removesuffix("/panel") + security_txt.PATH

# --- Pages ------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = "panel.formats"

STATIC_URL = "/panel/static/"
STATIC_ROOT = BASE_DIR / "panel" / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "public" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# --- Mail and logs ----------------------------------------------------------------------------

# Without EMAIL_URL nothing is sent, and nothing is written down: mail holds secrets.
vars().update(env.email_url("EMAIL_URL", default="dummymail://"))
MAIL_IS_SET_UP = vars()["EMAIL_BACKEND"] != "django.core.mail.backends.dummy.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"licenses@{_panel.hostname}")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "message": {"format": "{message}", "style": "{"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "json": {"class": "logging.StreamHandler", "formatter": "message"},
    },
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "panel.security": {"handlers": ["json"], "propagate": False},  # JSON lines
        "botocore": {"level": "INFO"},  # its DEBUG writes requests and answers down
        "stripe": {"level": "WARNING"},
    },
}
