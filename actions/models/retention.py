"""The tables of retention: the files of the archive, and what was brought back from it."""

from __future__ import annotations

from django.db import models

from findings.models import Finding


class ArchiveFile(models.Model):
    """A file of the archive. `retention.archiving` writes it, and never deletes a finished one.

    The transaction that deletes the findings sets `finished_at`. So a file without it contains
    findings that are still in the database.
    """

    place = models.CharField(max_length=300)  # the bucket with its prefix, or the folder
    path = models.CharField(max_length=300)  # in it
    findings = models.PositiveIntegerField()
    begun_at = models.DateTimeField()
    # Set before the file of a process that was killed is overwritten with an empty one. Then that
    # process, if it lives after all, deletes nothing.
    given_up_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["place", "path"], name="each_archive_file_once"),
        ]
        indexes = [
            models.Index(
                fields=["begun_at"],
                name="archive_file_unfinished",
                condition=models.Q(finished_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.place}/{self.path}"


class ArchiveCopy(models.Model):
    """A finding that was brought back from the archive, which still has it."""

    finding = models.OneToOneField(
        Finding, on_delete=models.CASCADE, primary_key=True, related_name="archive_copy"
    )
    place = models.CharField(max_length=300)  # the file, as in ArchiveFile
    path = models.CharField(max_length=300)
    digest = models.CharField(max_length=64)  # of what was brought back: retention.content
    at = models.DateTimeField()
    until = models.DateTimeField()  # retention leaves it alone until then

    class Meta:
        verbose_name_plural = "archive copies"
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.finding_id} from {self.place}/{self.path}"
