"""Runs `manage.py` in forks of a process that has already imported Django, which saves time.

Each command runs as in a shell, in its own process, with its own arguments, stdin, stdout, stderr
and exit status. It ends without freeing its memory, which would take longer than most commands.
"""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import get_context

from tests import processes

_LONGEST = 64 * 1024  # bytes of arguments


class Shell:
    """Runs `manage.py` in one environment. Not thread-safe."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def manage(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command and return its exit status and output."""
        with processes.files(stdin) as files:
            numbers = [file.fileno() for file in (files.stdin, files.stdout, files.stderr)]
            socket.send_fds(self._channel, [json.dumps(arguments).encode()], numbers)
            status = int(self._channel.recv(16))
            return files.completed(["manage.py", *arguments], status)


@contextmanager
def shell(environment: Mapping[str, str]) -> Iterator[Shell]:
    """Start a process with this environment, yield its Shell, and stop it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    assert sys.__stderr__
    with theirs:
        process = processes.start(
            "tests.shell",
            environment=environment,
            stdin=theirs,
            stdout=sys.__stderr__,
            stderr=sys.__stderr__,
        )
    ours.settimeout(60)  # seconds for a command
    try:
        yield Shell(ours)
    finally:
        ours.close()  # ends the process
        process.wait(30)


def _serve(channel: socket.socket) -> None:
    import django
    from django.conf import settings

    django.setup()
    import_module(settings.ROOT_URLCONF)
    gc.freeze()  # as tests.freeze
    gc.disable()  # commands end soon
    forks = get_context("fork")
    while True:
        message, files, _, _ = socket.recv_fds(channel, _LONGEST, 3)
        if not message:
            return
        child = forks.Process(
            target=processes.run_here, args=("manage.py", json.loads(message), files)
        )
        child.start()
        for file in files:
            os.close(file)
        child.join()
        channel.send(str(child.exitcode).encode())


if __name__ == "__main__":
    _serve(socket.socket(fileno=os.dup(0)))
