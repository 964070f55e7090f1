"""Where the archive is: a bucket in S3, or a folder."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings

from actions.aws.outcome import CONFIG

# "name" or "name/prefix". https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()=-]+)*/?")


class ArchiveError(Exception):
    """The archive cannot be read or written. Nothing was deleted. The text says why."""


class Place(Protocol):
    """A place for files. All methods raise ArchiveError."""

    @property
    def name(self) -> str:
        """The bucket with the prefix, or the folder."""

    def write(self, path: str, file: Path) -> None:
        """Writes a file to this path, over what is there."""

    def read(self, path: str, file: Path) -> None:
        """Writes what is at this path to a file."""

    def paths(self) -> Iterator[str]:
        """Yields the paths of all Parquet files, the one that was written last first."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine."""

    root: Path

    @property
    def name(self) -> str:
        return str(self.root)

    def write(self, path: str, file: Path) -> None:
        with _told():
            whole = self.root / path
            new = [one for one in (whole.parent, *whole.parent.parents) if not one.exists()]
            whole.parent.mkdir(parents=True, exist_ok=True)
            part = whole.with_suffix(".part")  # so that nobody reads a half of it
            shutil.copyfile(file, part)
            with part.open("rb") as written:
                os.fsync(written.fileno())
            part.replace(whole)
            # The file must outlive a loss of power, since its findings are deleted next.
            for folder in {whole.parent, *(one.parent for one in new)}:
                _sync(folder)

    def read(self, path: str, file: Path) -> None:
        with _told():
            shutil.copyfile(self.root / path, file)

    def paths(self) -> Iterator[str]:
        with _told():
            if not self.root.is_dir():
                raise ArchiveError(f"{self.root} is not a folder.")
            found = [(one.stat().st_mtime_ns, one) for one in self.root.rglob("*.parquet")]
            for _, one in sorted(found, reverse=True):
                yield one.relative_to(self.root).as_posix()


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket, which encrypts by its default and gives no access control lists."""

    s3: Any
    bucket: str
    prefix: str  # ends with "/" unless it is empty

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def write(self, path: str, file: Path) -> None:
        with _told(), file.open("rb") as body:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=self.prefix + path,
                Body=body,
                ContentType="application/vnd.apache.parquet",
            )

    def read(self, path: str, file: Path) -> None:
        with _told(), file.open("wb") as opened:
            answer = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + path)
            shutil.copyfileobj(answer["Body"], opened)

    def paths(self) -> Iterator[str]:
        with _told():
            pages = self.s3.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix
            )
            found = [
                (one["LastModified"], one["Key"])
                for page in pages
                for one in page.get("Contents", ())
                if one["Key"].endswith(".parquet")
            ]
            for _, key in sorted(found, reverse=True):
                yield key.removeprefix(self.prefix)


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise ArchiveError(f"{where}{error.strerror or error}.") from error
    except (BotoCoreError, ClientError) as error:
        raise ArchiveError(str(error)) from error


def configured(session: boto3.Session) -> Place:
    """Returns the place that the settings name."""
    if settings.ARCHIVE_BUCKET:
        return _bucket(session, settings.ARCHIVE_BUCKET)
    return Folder(Path(settings.ARCHIVE_FOLDER).resolve())


def named(name: str, session: boto3.Session) -> Place:
    """Returns a place by its name: "s3://bucket/prefix" or the path of a folder."""
    if name.startswith("s3://"):
        return _bucket(session, name.removeprefix("s3://"))
    return Folder(Path(name).resolve())


def is_folder(name: str) -> bool:
    """Returns whether this is the name of a folder of this machine."""
    return Path(name).is_dir()


def _bucket(session: boto3.Session, name: str) -> Bucket:
    bucket, _, prefix = name.partition("/")
    prefix = prefix.strip("/")
    return Bucket(session.client("s3", config=CONFIG), bucket, f"{prefix}/" if prefix else "")
