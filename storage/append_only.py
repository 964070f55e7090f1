"""Models whose rows are added, and then kept: what was installed, who changed what.

They refuse changes in Python, before a query is sent. The triggers of storage.triggers refuse them
in the database.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, TypeVar

from django.db import models

_M = TypeVar("_M", bound=models.Model)


class RewriteError(TypeError):
    """Code tried to change or delete a row of a model that keeps its rows."""

    text = "The rows of {rows} are not changed or deleted this way. Nothing was changed."

    def __init__(self, model: type[models.Model]) -> None:
        super().__init__(self.text.format(rows=model._meta.verbose_name_plural))


class AppendOnlyError(RewriteError):
    """Code tried to change or delete a row of a history."""

    text = (
        "The history of {rows} is append-only: a row is never changed or deleted."
        " Nothing was changed."
    )


class KeptQuerySet(models.QuerySet[_M]):
    """Adds rows and reads them. What changes or deletes rows raises `error`."""

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
        """As Django's. Raises `error` with `update_conflicts`, which overwrites rows."""
        if update_conflicts:
            self._refuse()
        return super().bulk_create(objs, batch_size, ignore_conflicts, False, *args, **kwargs)


class KeptModel(models.Model):
    """A model whose rows are not deleted, and change only by methods of its own query set."""

    error: ClassVar[type[RewriteError]] = RewriteError

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Inserts the row. Raises RewriteError if it was saved or read before, and IntegrityError
        if its primary key is taken."""
        if not self._state.adding:
            raise self.error(type(self))
        kwargs["force_insert"] = True  # a row with a known key is not overwritten either
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises RewriteError."""
        raise self.error(type(self))


class AppendOnlyQuerySet(KeptQuerySet[_M]):
    """The query set of an AppendOnlyModel."""

    error = AppendOnlyError


class AppendOnlyModel(KeptModel):
    """A model whose rows are never changed or deleted. Changes raise AppendOnlyError.

    A migration gives its table the triggers of storage.triggers.AppendOnly.
    """

    error = AppendOnlyError

    class Meta:
        abstract = True
