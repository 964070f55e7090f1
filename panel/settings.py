"""Every setting of the customer panel, the vendor's own site, beside those of
serving.shared_settings. Safe when the environment is empty.

docs/licensing.md lists each environment variable; a test holds the two together.
"""

from __future__ import annotations

from csp.constants import SELF

from serving import security_txt
from serving.shared_settings import *

# --- Where the panel lives --------------------------------------------------------------------

# The same variable, with the same meaning, as in the portal that links to it.
PANEL_URL = env.str("PANEL_URL", default="https://localhost/panel").rstrip("/")
_panel = parsed("PANEL_URL", PANEL_URL, like="https://example.com/panel", path="/panel")
vars().update(of_scheme(_panel.scheme))

SECRET_KEY = env.str("SECRET_KEY")
# Of the second factors in the database: the first encrypts, all decrypt.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[]) or [SECRET_KEY]
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

TEMPLATES = templates(
    # The panel's own pages stand on the portal's base.
    folders=[BASE_DIR / "panel" / "templates", BASE_DIR / "templates"],
    context_processors=["panel.context_processors.mail"],
)

# --- Data -------------------------------------------------------------------------------------

# panel.issuing builds on two writers queueing up.
DATABASES = database(
    env.db_url("PANEL_DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'panel.sqlite3'}")
)
# Codes and limits are kept here. With Django's 300, a stranger could crowd them out.
CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 100_000}

# --- People -----------------------------------------------------------------------------------

# An e-mail address and the code that is sent there: nobody has a password here. Staff need a second
# factor beside it (panel/middleware.py).
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
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60  # seconds: mail can be slow
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of a changed second factor
SESSION_IDLE_MINUTES = 120
STAFF_SESSION_IDLE_MINUTES = 30
SESSION_COOKIE_AGE = 8 * 60 * 60  # seconds, from sign-in on, however active
# Seconds for which a second factor that staff have shown is enough to write.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 10 * 60
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL

MFA_ADAPTER = "panel.adapters.MFAAdapter"  # encrypts secrets
MFA_FORMS = {
    "authenticate_webauthn": "panel.forms.AuthenticateWebAuthnForm",
    "reauthenticate_webauthn": "panel.forms.ReauthenticateWebAuthnForm",
    "login_webauthn": "panel.forms.LoginWebAuthnForm",
    "add_webauthn": "panel.forms.AddWebAuthnForm",
}
MFA_TOTP_ISSUER = "Threat Reaction licensing"

# --- Safety -----------------------------------------------------------------------------------

# Cookies know no ports: beside a portal on the same host, each keeps its own.
SESSION_COOKIE_NAME = "panel_sessionid"
CSRF_COOKIE_NAME = "panel_csrftoken"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# An order that is sent leads on to Stripe's own page.
CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"] = [SELF, "https://checkout.stripe.com"]

# security.txt: where to report a vulnerability.
SECURITY_TXT_URL = PANEL_URL.removesuffix("/panel") + security_txt.PATH

# --- Pages, mail and logs ---------------------------------------------------------------------

STATIC_URL = "/panel/static/"
STATIC_ROOT = BASE_DIR / "panel" / "staticfiles"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"licenses@{_panel.hostname}")

LOGGING["loggers"] = {
    "panel.security": {"handlers": ["json"], "propagate": False},  # JSON lines
    "botocore": {"level": "INFO"},  # its DEBUG writes requests and answers down
    "stripe": {"level": "WARNING"},
}
