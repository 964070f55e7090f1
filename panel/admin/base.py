"""The lists of staff: read-only, with CSV files and actions that ask for a reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, cast

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from panel.customers import Refused
from panel.forms import ReasonForm
from panel.payments import PaymentError
from panel.signing import SigningError
from storage.admin_filters import OwnFiltersOnly
from storage.spreadsheets import csv_lines

_M = TypeVar("_M", bound=Model)


class ReadOnlyAdmin(OwnFiltersOnly, admin.ModelAdmin[_M]):
    """A read-only admin. Rows change only through admin actions, which require a reason."""

    list_per_page = 50
    change_list_template = "panel/admin_change_list.html"
    # The columns of the CSV file, with functions of a row; without any, there is no file.
    csv_columns: ClassVar[dict[str, Callable[[Any], object]]] = {}
    csv_prefetch: ClassVar[list[str]] = []

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        export = path("export.csv", self.admin_site.admin_view(self.export), name=name)
        return [*([export] if self.csv_columns else []), *super().get_urls()]

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """Returns the rows of the list, with its filters and its order, as CSV."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            raise BadRequest from None
        columns = self.csv_columns.values()
        found = rows.prefetch_related(*self.csv_prefetch).iterator(chunk_size=500)
        name = f"{self.opts.verbose_name_plural}-{timezone.now():%Y-%m-%dT%H-%M-%SZ}.csv"
        return StreamingHttpResponse(
            csv_lines(self.csv_columns, ([column(row) for column in columns] for row in found)),
            content_type="text/csv; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            },
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def act_on_each(
        self,
        request: HttpRequest,
        queryset: QuerySet[_M],
        form_class: type[ReasonForm],
        title: str,
        do: Callable[[_M, dict[str, Any]], object],
        describe: Callable[[_M], str] = str,
    ) -> HttpResponse | None:
        """Asks for a reason on a page, then calls `do(row, cleaned_data)` for each row.

        The page lists what `describe` returns for each row.

        Returns the page while the form is missing or invalid, then None. Rows are independent: an
        error for one row is shown as a message and does not affect the others.
        """
        # Messages start with a word: the admin capitalizes the first letter, which would change
        # a license id.
        form = form_class(request.POST if "confirmed" in request.POST else None)
        rows = list(queryset)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.opts,
                "rows": [(row, describe(row)) for row in rows],
                "form": form,
                "action": request.POST["action"],
                "checkbox_name": ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "panel/admin_reason.html", context)
        for row in rows:
            try:
                do(row, form.cleaned_data)
            except (Refused, SigningError, PaymentError) as refused:
                messages.error(request, f"Refused: {row}: {refused}")
            else:
                messages.success(request, f"Done: {row}.")
        return None


class StatusFilter(admin.SimpleListFilter):
    """Filters by a status that is no column: `statuses` has its label and its rows, by value."""

    title = parameter_name = "status"
    statuses: ClassVar[dict[str, tuple[str, Q]]]

    def lookups(
        self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        return [(value, label) for value, (label, _) in self.statuses.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[_M]) -> QuerySet[_M]:
        found = self.statuses.get(self.value() or "")
        return queryset.filter(found[1]) if found else queryset


class ByInvoiceNumber(ReadOnlyAdmin[_M]):
    """Finds the rows of an invoice by its printed number, which is the reference of a transfer."""

    sequence_field: ClassVar[str]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[_M], search_term: str
    ) -> tuple[QuerySet[_M], bool]:
        number = re.fullmatch(r"\s*TR-?([0-9]{1,9})\s*", search_term, re.ASCII | re.IGNORECASE)
        if number:
            return queryset.filter(**{self.sequence_field: int(number[1])}), False
        return super().get_search_results(request, queryset, search_term)


def me(request: HttpRequest) -> User:
    return cast(User, request.user)  # the admin requires sign-in
