"""Users, groups and API clients in the Django admin. Only superusers can manage superusers."""

from __future__ import annotations

from typing import Any

# These register their models when imported; only then can we unregister them.
import allauth.account.admin
import allauth.idp.oidc.admin
import allauth.mfa.admin
import allauth.socialaccount.admin
import allauth.usersessions.admin  # noqa: F401
import django.contrib.auth.admin
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client, Token
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group, User
from django.db.models import ManyToManyField, Q, QuerySet
from django.http import HttpRequest

from accounts import demotion, roles, step_up
from storage.admin_filters import OwnFiltersOnly

admin.site.unregister(
    [
        *(EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken),
        *(Client, Token, Group, User, UserSession),
    ]
)


class NoAddition:
    """A ModelAdmin mixin that forbids adding."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NoChange:
    """A ModelAdmin mixin that forbids changing."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class NoDeletion:
    """A ModelAdmin mixin that forbids deleting."""

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(NoDeletion, OwnFiltersOnly, django.contrib.auth.admin.UserAdmin[User]):
    """Users. They are deactivated and never deleted: the change log refers to them."""

    list_display = ["username", "email", "roles", "is_active", "last_login"]
    list_filter = ["is_active", "groups"]
    filter_horizontal = []
    readonly_fields = ["last_login", "date_joined"]
    actions = ["remove_second_factors"]
    add_fieldsets = [
        (
            None,
            {
                "fields": ["username", "email", "usable_password", "password1", "password2"],
                "description": "Assign groups on the next page. Users without a group have no"
                " permissions.",
            },
        )
    ]

    @admin.display(description="groups")
    def roles(self, user: User) -> str:
        """Returns the names of the user's groups, with "superuser" first."""
        groups = ", ".join(sorted(group.name for group in user.groups.all()))
        return f"superuser, {groups}".rstrip(", ") if user.is_superuser else groups

    @admin.action(description="Remove second factors and passkeys", permissions=["change"])
    def remove_second_factors(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Removes all second factors of users who have lost them. Their password suffices then."""
        for user in users:
            if not self.has_change_permission(request, user):
                self.message_user(
                    request, f"You do not have permission to change {user}.", messages.ERROR
                )
                continue
            Authenticator.objects.filter(user=user).delete()
            self.log_change(request, user, "Removed second factors and passkeys.")
            self.message_user(request, f"{user} can now sign in with the password only.")

    def _confirm(self, request: HttpRequest) -> None:
        """Asks for the password or a second factor again, as the People page does."""
        if request.method == "POST" and self.has_change_permission(request):
            step_up.demand(request)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        """Adds or changes a user. Taking power away needs no confirmation."""
        if not object_id or not demotion.only_takes_power_away(request, object_id):
            self._confirm(request)
        return super().changeform_view(request, object_id, *args, **kwargs)

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Lists users, and removes their second factors."""
        self._confirm(request)
        return super().changelist_view(request, *args, **kwargs)

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Sets the password of a user."""
        self._confirm(request)
        return super().user_change_password(request, *args, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Offers `is_superuser` to superusers only."""
        if obj is None:
            return self.add_fieldsets
        powers = ["is_active", "groups"]
        if request.user.is_superuser:
            powers.append("is_superuser")
        return [
            (None, {"fields": ["username", "password"]}),
            ("Person", {"fields": ["first_name", "last_name", "email"]}),
            (
                "Permissions",
                {
                    "fields": powers,
                    "description": f"{roles.in_a_sentence()}. Deactivate people who leave.",
                },
            ),
            ("History", {"fields": ["last_login", "date_joined"]}),
        ]

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Only superusers can change a superuser, including the password."""
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def formfield_for_manytomany(
        self, db_field: ManyToManyField[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> forms.ModelMultipleChoiceField[Any] | None:
        """Offers the groups as check boxes: one click cannot clear the others."""
        if db_field.name == "groups":
            kwargs["widget"] = forms.CheckboxSelectMultiple()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> type[forms.ModelForm[User]]:
        """Limits the groups that an administrator can assign."""
        form = super().get_form(request, obj, change=change, **kwargs)
        groups = form.base_fields.get("groups")
        if isinstance(groups, forms.ModelMultipleChoiceField) and not request.user.is_superuser:
            # Other groups may have more permissions than an administrator, who can keep or
            # remove them, but not assign them.
            groups.queryset = Group.objects.filter(
                Q(name__in=roles.NAMES) | Q(user=obj) if obj else Q(name__in=roles.NAMES)
            ).distinct()
        return form


@admin.register(Group)
class GroupAdmin(NoAddition, NoChange, NoDeletion, OwnFiltersOnly, admin.ModelAdmin[Group]):
    """Groups and their permissions, read-only. `accounts.roles` creates them."""

    fields = ["name", "can"]
    list_display = ["name", "can"]

    @admin.display(description="permissions")
    def can(self, group: Group) -> str:
        """Returns the names of the group's permissions, without "Can"."""
        names = group.permissions.values_list("name", flat=True)
        return ", ".join(sorted(name.removeprefix("Can ") for name in names))


@admin.register(Client)
class ClientAdmin(NoAddition, NoChange, OwnFiltersOnly, admin.ModelAdmin[Client]):
    """API clients. The page /clients creates and changes them. Deleting one revokes its tokens."""

    fields = ["name", "id", "may", "created_at"]
    list_display = ["name", "id", "may", "created_at"]
    search_fields = ["name", "id"]

    @admin.display(description="scopes")
    def may(self, client: Client) -> str:
        """Returns the client's scopes."""
        return ", ".join(client.get_scopes())
