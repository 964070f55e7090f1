"""The command `checkgate`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from license import routes


class Command(BaseCommand):
    """Lists all routes and whether their writes require a license."""

    help = (
        "Lists every route with its view name, its unsafe methods, and whether they require a"
        " license. For an exempt route, names the entry in LICENSE_EXEMPT_VIEWS or"
        " LICENSE_EXEMPT_WHERE that exempts it."
    )
    requires_system_checks = []  # for auditors, even if checks fail

    def handle(self, **options: Any) -> None:
        for route in routes.all_routes():
            methods = ",".join(route.methods) or "-"
            gated = f"exempt by {route.exempt_by}" if route.exempt_by else "gated"
            if route.where:
                gated += f" where {route.where}"
            self.stdout.write(f"{route.path}\t{route.view_name}\t{methods}\t{gated}")
