"""The Django admin for staff. Data is read-only; actions call panel.ordering and panel.issuing."""

# These register their models when imported; only then can they be unregistered.
import allauth.account.admin
import allauth.mfa.admin  # noqa: F401
import django.contrib.auth.admin  # noqa: F401
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.auth.models import Group, User

admin.site.unregister([User, Group, EmailAddress, Authenticator])

from panel.admin import customers, licenses, orders, records, users  # noqa: E402, F401
