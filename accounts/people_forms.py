"""The forms of the pages of people and of API clients."""

from __future__ import annotations

from typing import Any

from allauth.idp.oidc.models import Client
from django import forms
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet

from accounts import roles
from accounts.adapters import find_user
from accounts.api_auth import SCOPES
from accounts.clients import NAME_MAX_LENGTH
from accounts.people import INVITED, NO_ROLE
from storage import filters

ROLES = [(name, name.capitalize()) for name in roles.NAMES]


class PeopleFilter(filters.FilterForm):
    """Filters of the list of people. A person must match all of them."""

    who = forms.CharField(label="Username or email", max_length=150, required=False)
    role = forms.ChoiceField(
        label="Role",
        choices=[("", "All roles"), *ROLES, ("superuser", "Superuser"), ("none", "No role")],
        required=False,
    )
    state = forms.ChoiceField(
        label="State",
        choices=[
            ("", "All states"),
            ("active", "Active"),
            ("invited", "Invited"),
            ("inactive", "Deactivated"),
        ],
        required=False,
    )

    def narrow(self, users: QuerySet[User]) -> QuerySet[User]:
        """Returns the users that match. Call it only if the form is valid."""
        asked = self.cleaned_data
        if who := asked["who"]:
            users = users.filter(Q(username__icontains=who) | Q(email__icontains=who))
        match asked["role"]:
            case "superuser":
                users = users.filter(is_superuser=True)
            case "none":
                users = users.filter(NO_ROLE)
            case role if role:
                users = users.filter(groups__name=role)
        match asked["state"]:
            case "active":
                users = users.filter(is_active=True).exclude(INVITED)
            case "invited":
                users = users.filter(INVITED)
            case "inactive":
                users = users.filter(is_active=False)
        return users


class RoleForm(forms.Form):
    """The role of a person."""

    role = forms.ChoiceField(choices=[("", "No role"), *ROLES], required=False)


class InvitationForm(forms.ModelForm[User]):
    """Whom to invite, and their role."""

    email = forms.EmailField(label="Email address", max_length=254)
    role = forms.ChoiceField(choices=ROLES, help_text="They can be given another one later")

    class Meta:
        model = User
        fields = ["username", "email"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = "Letters, digits and @ . + - _"

    def clean_username(self) -> str:
        # As it is stored: otherwise another way to write a username that exists passes here.
        return self._unknown(User.normalize_username(self.cleaned_data["username"]))

    def clean_email(self) -> str:
        return self._unknown(self.cleaned_data["email"])

    def _unknown(self, login: str) -> str:
        if find_user(login):  # the sign-in takes both
            raise forms.ValidationError("A person with this username or email address exists.")
        return login


class ScopesForm(forms.Form):
    """The scopes of an API client."""

    scopes = forms.MultipleChoiceField(
        choices=list(SCOPES.items()),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one scope."},
    )


class ClientForm(ScopesForm):
    """A new API client."""

    name = forms.CharField(
        max_length=NAME_MAX_LENGTH, help_text="The change log and the security log show it"
    )
    field_order = ["name", "scopes"]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not name.isprintable():
            raise forms.ValidationError("The name contains an unprintable character.")
        if Client.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError("There is an API client with this name.")
        return name
