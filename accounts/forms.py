from __future__ import annotations

from typing import Any

from allauth.account import forms


class LoginForm(forms.LoginForm):  # type: ignore[misc]  # allauth is not typed
    """allauth's, with a label that says what to enter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Username or e-mail"
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
