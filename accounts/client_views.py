"""The pages of API clients. Giving power asks for the password or a second factor again."""

from __future__ import annotations

from typing import Any, cast

from allauth.idp.oidc.models import Client
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import clients, step_up
from accounts.api_auth import SCOPES
from accounts.people_forms import ClientForm, ScopesForm
from storage.locks import advisory_lock
from storage.paging import NumberPager

PAGER = NumberPager(50)


@require_safe
@permission_required("allauth_idp_oidc.view_client", raise_exception=True)
def client_list(request: HttpRequest) -> HttpResponse:
    """Lists the API clients by name."""
    rows = Client.objects.select_related("owner").order_by("name", "pk")
    shown = PAGER.shown(request, rows)
    listed = [(client, clients.last_used_at(client)) for client in shown.rows]
    return render(request, "account/clients.html", {"shown": shown, "clients": listed})


@require_safe
@permission_required("allauth_idp_oidc.view_client", raise_exception=True)
def client(request: HttpRequest, pk: str) -> HttpResponse:
    """Shows one API client, and what can be changed."""
    return _page(request, get_object_or_404(Client.objects.select_related("owner"), pk=pk))


def _page(request: HttpRequest, shown: Client, *, secret: str = "", **context: Any) -> HttpResponse:
    context = {
        "client": shown,
        "used_at": clients.last_used_at(shown),
        "form": ScopesForm(initial={"scopes": shown.get_scopes()}),
        "secret": secret,
        "portal": settings.PORTAL_URL,
        "scopes": [(scope, SCOPES.get(scope, "")) for scope in shown.get_scopes()],
        **context,
    }
    response = render(request, "account/client.html", context)
    if secret:
        response["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("allauth_idp_oidc.add_client", raise_exception=True)
@step_up.before_post
def create(request: HttpRequest) -> HttpResponse:
    """Creates an API client, and shows its secret once."""
    if request.method == "POST":
        advisory_lock("clients")  # of two at once with one name, the second is refused
    form = ClientForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        made, secret = clients.create(
            form.cleaned_data["name"], form.cleaned_data["scopes"], owner=cast(User, request.user)
        )
        return _page(request, made, secret=secret)
    return render(request, "account/create_client.html", {"form": form})


@require_POST
@permission_required("allauth_idp_oidc.change_client", raise_exception=True)
@transaction.atomic
def set_scopes(request: HttpRequest, pk: str) -> HttpResponse:
    """Sets the scopes of an API client."""
    changed = get_object_or_404(Client.objects.select_for_update(no_key=True), pk=pk)
    form = ScopesForm(request.POST)
    if not form.is_valid():
        return _page(request, changed, form=form)
    if not set(form.cleaned_data["scopes"]) <= set(changed.get_scopes()):
        step_up.demand(request)
    clients.set_scopes(changed, form.cleaned_data["scopes"])
    messages.success(request, f"The scopes of {changed.name} are saved.")
    return redirect("client", pk)


@require_POST
@permission_required("allauth_idp_oidc.change_client", raise_exception=True)
@step_up.before_post
@transaction.atomic
def new_secret(request: HttpRequest, pk: str) -> HttpResponse:
    """Replaces the secret of an API client, and shows the new one once."""
    changed = get_object_or_404(Client.objects.select_for_update(no_key=True), pk=pk)
    return _page(request, changed, secret=clients.new_secret(changed))


@require_POST
@permission_required("allauth_idp_oidc.delete_client", raise_exception=True)
def delete(request: HttpRequest, pk: str) -> HttpResponse:
    """Deletes an API client, which ends its tokens."""
    deleted = get_object_or_404(Client, pk=pk)
    deleted.delete()
    messages.success(request, f"{deleted.name} is deleted. Its tokens have ended.")
    return redirect("clients")
