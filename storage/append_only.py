"""Base classes for models whose rows are never changed or deleted, such as audit logs.

They refuse changes in Python, before a query is sent. The triggers of storage.triggers refuse
changes in the database.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, TypeVar

from django.db import models

_M = TypeVar("_M", bound=models.Model)


class RewriteError(TypeError):
    """Code tried to change or delete a row of a KeptModel."""

    text = "Rows of {rows} cannot be changed or deleted this way. Nothing was changed."

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(self.text.format(rows=model._meta.verbose_name_plural))


class AppendOnlyError(RewriteError):
    """Code tried to change or delete a row of an AppendOnlyModel."""

    text = (
        "The history of {rows} is append-only: rows cannot be changed or deleted."
        " Nothing was changed."
    )


class KeptQuerySet(models.QuerySet[_M]):
    """A query set that inserts and reads rows. Methods that change or delete rows raise `error`."""

    error: ClassVar[type[RewriteError]] = RewriteError

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise self.error(self.model)

    update = delete = bulk_update = update_or_create = _refuse
    aupdate = adelete = abulk_update = aupdate_or_create = _refuse
    _raw_delete = _refuse

    def bulk_create(
        self,
        objs: Any,
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        *args: Any,
        **kwargs: Any,
    ) -> list[_M]:
        """Insert rows as Django does. Raises `error` for `update_conflicts`, which overwrites."""
        if update_conflicts:
            self._refuse()
        return super().bulk_create(objs, batch_size, ignore_conflicts, False, *args, **kwargs)


class KeptModel(models.Model):
    """A model whose rows are never deleted. Only its own query set methods can change them."""

    error: ClassVar[type[RewriteError]] = RewriteError

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row.

        Raises RewriteError if it was saved or loaded before, and IntegrityError if its primary key
        exists.
        """
        if not self._state.adding:
            raise self.error(type(self))
        kwargs["force_insert"] = True  # never overwrites a row with the same primary key
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise RewriteError."""
        raise self.error(type(self))


class AppendOnlyQuerySet(KeptQuerySet[_M]):
    """The query set of an AppendOnlyModel."""

    error = AppendOnlyError


class AppendOnlyModel(KeptModel):
    """A model whose rows are never changed or deleted. Attempts raise AppendOnlyError.

    A migration must add the triggers of storage.triggers.AppendOnly to its table.
    """

    error = AppendOnlyError

    class Meta:
        abstract = True
