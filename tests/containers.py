"""Builds the image and runs containers of it, with docker or podman."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.server import ROOT

GRACE = 30  # seconds from SIGTERM to SIGKILL, the default of ECS
HOME_MADE_BASE = "localhost/threatreaction-test-base"
_DEBIAN = "bookworm"
_LIMITS = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]


def _is_there(*command: str) -> bool:
    """Whether the command succeeds."""
    return bool(shutil.which(command[0])) and (
        subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


def _engine() -> list[str]:
    if _is_there("docker", "info"):
        return ["docker"]
    if not shutil.which("podman"):
        sys.exit("docker or podman is missing: scripts/install-image-tools")
    # This also works in a container and without systemd.
    runtime = ["--runtime", "runc"] if shutil.which("runc") else []
    return ["podman", "--cgroup-manager", "cgroupfs", *runtime]


ENGINE = _engine()
IS_DOCKER = ENGINE[0] == "docker"


def engine(*arguments: str, stdin: bytes = b"", check: bool = True) -> str:
    """Run docker or podman, and return its standard output. Raises AssertionError if it fails."""
    done = subprocess.run([*ENGINE, *arguments], input=stdin, capture_output=True, check=False)
    assert not check or done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def base() -> str:
    """Return the name of a base image: BASE, else that of the Containerfile, else a new one.

    If no registry responds, builds a Debian with Python by debootstrap, which requires root.
    """
    if named := os.environ.get("BASE"):
        return named
    containerfile = (ROOT / "deploy/Containerfile").read_text()
    found = re.search(r"^ARG BASE=(\S+)$", containerfile, re.MULTILINE)
    assert found
    if _is_there(*ENGINE, "image", "inspect", found[1]) or _is_there(*ENGINE, "pull", found[1]):
        return found[1]
    if not _is_there(*ENGINE, "image", "inspect", HOME_MADE_BASE):
        _import(_home_made_base())
    return HOME_MADE_BASE


def _home_made_base() -> Path:
    archive = ROOT / "var" / f"base-{_DEBIAN}.tar"
    if not archive.exists():
        folder = archive.with_suffix("")
        shutil.rmtree(folder, ignore_errors=True)
        packages = "python3,python3-venv,ca-certificates"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={packages}", _DEBIAN, folder],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        unfinished = archive.with_suffix(".new")
        without = ["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*"]
        subprocess.run(
            ["tar", "-C", folder, "--numeric-owner", *without, "-cf", unfinished, "."], check=True
        )
        unfinished.rename(archive)
        shutil.rmtree(folder)
    return archive


def _import(archive: Path) -> None:
    engine("import", str(archive), HOME_MADE_BASE)


def build(target: str, base_image: str) -> str:
    """Build the image of deploy/Containerfile by `scripts/image`, and return its name."""
    environment = os.environ | {"BASE": base_image, "TAG": "test"}
    if not IS_DOCKER and os.geteuid() == 0:
        environment |= {"BUILDAH_ISOLATION": "chroot"}  # also works in a container
    built = subprocess.run(
        ["scripts/image", target], cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=True
    )
    return built.stdout.decode().strip()


def size(image: str) -> int:
    """Return the bytes of an image."""
    return int(engine("image", "inspect", "--format", "{{.Size}}", image))


@dataclass
class Container:
    """A container, with a read-only root file system and the user of the image."""

    image: str
    command: list[str]
    environment: Mapping[str, str]
    volumes: Mapping[Path, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"threatreaction-test-{uuid.uuid4().hex[:12]}")

    def __enter__(self) -> Container:
        options = ["--name", self.name, "--read-only", "--network", "host", "--cap-drop", "ALL"]
        options += ["--security-opt", "no-new-privileges"]
        if not IS_DOCKER:
            options += ["--read-only-tmpfs=false", "--no-healthcheck", *_LIMITS]
        for name, value in self.environment.items():
            options += ["--env", f"{name}={value}"]
        for path, inside in self.volumes.items():
            options += ["--volume", f"{path}:{inside}:ro"]
        engine("run", "--detach", *options, self.image, *self.command)
        return self

    def __exit__(self, *about: object) -> None:
        engine("rm", "--force", self.name)

    def run(self, *command: str) -> str:
        """Run a command in the container, and return its output. Fails if it fails."""
        return engine("exec", self.name, *command)

    def terminate(self) -> None:
        """Send SIGTERM."""
        engine("kill", "--signal", "TERM", self.name)

    def wait(self) -> int:
        """Wait for the end, and return the exit status."""
        return int(engine("wait", self.name))

    def stop(self) -> int:
        """Stop it as ECS does: SIGTERM, and SIGKILL after GRACE. Return the exit status."""
        engine("stop", "--time", str(GRACE), self.name)
        return self.wait()

    def is_running(self) -> bool:
        return engine("inspect", "--format", "{{.State.Running}}", self.name) == "true"

    @property
    def log(self) -> str:
        """Both streams."""
        done = subprocess.run(
            [*ENGINE, "logs", self.name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            check=True,
        )  # fmt: skip
        return done.stdout.decode()
