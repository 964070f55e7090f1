"""The app configuration of the admin."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig


class AdminConfig(DjangoAdminConfig):
    """Makes the portal's AdminSite the default site."""

    default_site = "threatreaction.admin_site.AdminSite"
