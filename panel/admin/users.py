"""Users."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import User

from storage.admin_filters import OwnFiltersOnly


@admin.register(User)
class UserAdmin(OwnFiltersOnly, DjangoUserAdmin[User]):
    """Users. Only superusers have access: the staff group has no permission for them."""
