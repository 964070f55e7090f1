"""Settings of the panel, the vendor's site, in addition to serving.shared_settings. The defaults
are secure.

docs/licensing.md documents each environment variable; a test compares the two.
"""

from __future__ import annotations

from csp.constants import SELF

from license import account_proof
from serving import security_txt
from serving.shared_settings import *

# --- Where the panel lives --------------------------------------------------------------------

# The portal has the same variable, for its links to the panel.
PANEL_URL = env.str("PANEL_URL", default="https://localhost/panel").rstrip("/")
_panel = parsed("PANEL_URL", PANEL_URL, like="https://example.com/panel", path="/panel")
vars().update(of_scheme(_panel.scheme))

SECRET_KEY = env.str("SECRET_KEY")
# Encrypt the secrets of second factors: the first key encrypts, all keys decrypt.
ENCRYPTION_KEYS = env.list("ENCRYPTION_KEYS", default=[]) or [SECRET_KEY]
ALLOWED_HOSTS = [_panel.hostname, *env.list("ALLOWED_HOSTS", default=[])]
CSRF_TRUSTED_ORIGINS = [f"{_panel.scheme}://{_panel.netloc}"]

# --- Licenses ---------------------------------------------------------------------------------

# A PEM file that only the panel's user can read, or kms:<key id or ARN>. See panel.checks.
LICENSE_SIGNING_KEY = env.str("LICENSE_SIGNING_KEY", default="")
# During a key rotation: a bundle of other public keys, old or next, to publish as well.
LICENSE_OTHER_PUBLIC_KEYS = env.str("LICENSE_OTHER_PUBLIC_KEYS", default="")

# Where the panel asks AWS which account signed a proof. The request is signed for the host in
# license.account_proof, so another URL must lead there. Empty: staff approve accounts by hand.
STS_ENDPOINT_URL = env.str("STS_ENDPOINT_URL", default=account_proof.URL)
if STS_ENDPOINT_URL:
    parsed("STS_ENDPOINT_URL", STS_ENDPOINT_URL, like=account_proof.URL, path="/")

# --- Selling ----------------------------------------------------------------------------------

# What is missing here, panel.checks names; Paid licenses cannot be ordered then.
CURRENCY = env.str("CURRENCY", default="EUR")
PRICES = {  # net, by term in months
    1: env.str("PRICE_1_MONTH", default=""),
    12: env.str("PRICE_12_MONTHS", default=""),
}
TAX_NAME = env.str("TAX_NAME", default="VAT")
TAX_RATE = env.str("TAX_RATE", default="")  # percent
SELLER_ADDRESS = env.str("SELLER_ADDRESS", default="")  # lines, separated by semicolons
SELLER_COUNTRY = env.str("SELLER_COUNTRY", default="")
SELLER_VAT_ID = env.str("SELLER_VAT_ID", default="")
BANK_DETAILS = env.str("BANK_DETAILS", default="")  # lines, separated by semicolons

# Without these keys, customers transfer money, and staff mark orders paid.
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_API_URL = "https://api.stripe.com"

# --- Applications -----------------------------------------------------------------------------

INSTALLED_APPS = [
    "panel",
    "serving",  # manage.py rotateencryptionkey
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
    "serving.head.HeadMiddleware",
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
    "panel.middleware.SignInMiddleware",  # must be last; panel.checks enforces it
]

ROOT_URLCONF = "panel.urls"
WSGI_APPLICATION = "panel.wsgi.application"

TEMPLATES = templates(
    # The panel's pages extend the portal's base template.
    folders=[BASE_DIR / "panel" / "templates", BASE_DIR / "templates"],
    context_processors=["panel.context_processors.mail"],
)

# --- Data -------------------------------------------------------------------------------------

# panel.customers relies on writers waiting for each other.
DATABASES = database(
    env.db_url("PANEL_DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'var' / 'panel.sqlite3'}")
)
# With Django's default of 300, anybody could evict codes and rate limits.
CACHES["default"]["OPTIONS"] = {"MAX_ENTRIES": 100_000}

# --- People -----------------------------------------------------------------------------------

# People sign in with an email address and a code that is sent there; there are no passwords. Staff
# also need a second factor (panel/middleware.py).
LOGIN_URL = "account_request_login_code"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "panel.adapters.AccountAdapter"  # rate limits mail per recipient
ACCOUNT_FORMS = {
    "confirm_login_code": "panel.forms.ConfirmLoginCodeForm",
    "confirm_email_verification_code": "panel.forms.ConfirmEmailVerificationCodeForm",
}
# Per client address only: one person must not use up another person's limit.
ACCOUNT_RATE_LIMITS = {
    "request_login_code": "10/m/ip,60/h/ip",
    "signup": "10/m/ip,60/h/ip",
    "confirm_email": "",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*"]
ACCOUNT_EMAIL_MAX_LENGTH = 150  # it is also the user name
ACCOUNT_USER_DISPLAY = "panel.adapters.user_display"
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 15 * 60  # seconds: mail can be slow
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_NOTIFICATIONS = True  # when a second factor changes
SESSION_IDLE_MINUTES = 120
STAFF_SESSION_IDLE_MINUTES = 30
SESSION_COOKIE_AGE = 8 * 60 * 60  # seconds since sign-in, regardless of activity
# Seconds for which staff can write after they used a second factor.
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

# Cookies are not separated by port. The names differ from those of a portal on the same host.
SESSION_COOKIE_NAME = "panel_sessionid"
CSRF_COOKIE_NAME = "panel_csrftoken"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# The order form redirects to Stripe's page.
CONTENT_SECURITY_POLICY["DIRECTIVES"]["form-action"] = [SELF, "https://checkout.stripe.com"]

# security.txt: where to report a vulnerability.
SECURITY_TXT_URL = PANEL_URL.removesuffix("/panel") + security_txt.PATH

# --- Pages, mail and logs ---------------------------------------------------------------------

STATIC_URL = "/panel/static/"
STATIC_ROOT = BASE_DIR / "panel" / "staticfiles"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"licenses@{_panel.hostname}")

LOGGING["loggers"] = {
    "panel.security": {"handlers": ["json"], "propagate": False},  # JSON lines
    "botocore": {"level": "INFO"},  # DEBUG logs requests and responses
    "stripe": {"level": "WARNING"},
}
