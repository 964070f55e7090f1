"""The backend. Django imports this module by its name."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import psycopg
from django.db.backends.postgresql import base, client

from storage.postgresql import secret

# Seconds to wait after each refused password. A rotation changes the password in the database
# before the secret, so for a moment no login is valid.
PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0)


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell`."""

    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        login = secret.of(settings_dict["SECRET_ARN"]).login()
        whole = settings_dict | {
            "USER": settings_dict["USER"] or login.username,
            "PASSWORD": login.password,
        }
        return super().settings_to_cmd_args_env(whole, parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    """Opens each connection with the password that is valid now."""

    client_class = DatabaseClient

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connects. If the password is refused, reads the secret again and retries."""
        the_secret = secret.of(self.settings_dict["SECRET_ARN"])
        refused = None
        for pause in (*PAUSES, None):
            login = the_secret.login(refused=refused)
            params = {"user": login.username} | conn_params | {"password": login.password}
            try:
                return super().get_new_connection(params)
            except psycopg.OperationalError as error:
                # libpq has no SQLSTATE for this. The server asked for a password, then refused.
                was_asked = error.pgconn is not None and error.pgconn.used_password
                if pause is None or not was_asked:
                    raise
            refused = login
            time.sleep(pause)
        raise AssertionError("The last try returns or raises.")
