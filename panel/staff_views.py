"""Pages of Administration beside Django's: search over everything, and a day's numbers."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from panel import numbers
from panel.models import Act, Customer, IssuedLicense, Order

MODELS: list[Any] = [Customer, IssuedLicense, Order, Act]
NEEDED = ["panel.view_issuedlicense", "panel.view_order"]  # for the numbers
SHOWN = 10  # results of a kind
LISTED = 100  # of what is due or overdue
DAYS = 14


class SearchForm(forms.Form):
    """What to search for."""

    q = forms.CharField(label="Search", max_length=200, required=False)


class DayForm(forms.Form):
    """A day (UTC)."""

    day = forms.DateField(
        label="Day (UTC)",
        widget=forms.DateInput(attrs={"type": "date"}),
        input_formats=["%Y-%m-%d"],
        error_messages={"invalid": "Enter a date like 2026-11-25."},
    )

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if not date(2020, 1, 1) <= day <= date(2100, 1, 1):
            raise forms.ValidationError("Enter a date between 2020 and 2100.")
        return day


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Searches customers, licenses, orders and the journal, as their lists do."""
    form = SearchForm(request.GET)
    text = form.cleaned_data["q"].strip() if form.is_valid() else ""
    found = []
    for model in MODELS if text else []:
        model_admin = admin.site.get_model_admin(model)
        if model_admin.has_view_permission(request):
            rows, has_duplicates = model_admin.get_search_results(
                request, model_admin.get_queryset(request), text
            )
            related: Any = model_admin.list_select_related
            rows = rows.select_related(*related).order_by(*model_admin.ordering or ("pk",))
            if has_duplicates:
                rows = rows.distinct()
            found.append((model._meta, list(rows[: SHOWN + 1])))
    context = {
        **admin.site.each_context(request),
        "title": "Search",
        "form": form,
        "text": text,
        "nothing": not any(rows for _, rows in found),
        "found": [(meta, rows[:SHOWN], len(rows) > SHOWN) for meta, rows in found],
    }
    return TemplateResponse(request, "panel/admin_search.html", context)


@require_safe
def day_numbers(request: HttpRequest) -> HttpResponse:
    """Shows the numbers of a day and of those before, and what is due and overdue now."""
    at = timezone.now()
    form = DayForm(request.GET) if "day" in request.GET else DayForm(initial={"day": at.date()})
    day = form.cleaned_data["day"] if form.is_bound and form.is_valid() else at.date()
    context = {
        **admin.site.each_context(request),
        "title": "Numbers",
        "form": form,
        "at": at,
        "days": numbers.days(day, DAYS),
        "earlier": day - timedelta(days=1),
        "later": day + timedelta(days=1) if day < at.date() else None,
        "due": _first(numbers.renewals_due(at)),
        "overdue": _first(numbers.renewals_overdue(at)),
        "unpaid": _first(numbers.payments_overdue(at)),
    }
    return TemplateResponse(request, "panel/admin_numbers.html", context)


def _first(rows: QuerySet[Any]) -> tuple[int, list[Any]]:
    """How many rows there are, and the first of them."""
    return rows.count(), list(rows[:LISTED])
