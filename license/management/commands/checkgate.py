"""Prints which routes need a license."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from license import routes


class Command(BaseCommand):
    """See `help`."""

    help = (
        "Prints every route with the unsafe methods that it takes: gated by the license, or exempt"
        " by which line of LICENSE_EXEMPT_VIEWS or LICENSE_EXEMPT_WHERE, and how far."
    )
    requires_system_checks = []  # an auditor wants to see the table whatever else is wrong

    def handle(self, **options: Any) -> None:
        for route in routes.all_routes():
            methods = ",".join(route.methods) or "-"
            gated = f"exempt by {route.exempt_by}" if route.exempt_by else "gated"
            if route.where:
                gated += f" where {route.where}"
            self.stdout.write(f"{route.path}\t{route.view_name}\t{methods}\t{gated}")
