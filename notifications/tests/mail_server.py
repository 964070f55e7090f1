"""An SMTP server on the loopback."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from notifications.tests.receiver import serving


@dataclass
class MailServer:
    """What the server accepted: the recipient of each mail, and its text."""

    port: int = 0
    mails: list[tuple[str, str]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)  # recipients with the reply
    is_silent: bool = False  # never greets
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Runs a server on 127.0.0.1, which offers no TLS and no authentication."""
    told = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def handle(self) -> None:
            if told.is_silent:
                told.over.wait()
                return
            self.say("220 mail.example ESMTP")
            recipient = ""
            while line := self.rfile.readline().decode().strip():
                if line.upper().startswith("RCPT TO:"):
                    recipient = line[8:].strip().strip("<>")
                    self.say(told.refused.get(recipient, "250 OK"))
                elif line.upper() == "DATA":
                    self.say("354 Go on")
                    text = iter(lambda: self.rfile.readline().decode(), ".\r\n")
                    told.mails.append((recipient, "".join(text)))
                    self.say("250 OK")
                elif line.upper() == "QUIT":
                    self.say("221 Bye")
                    return
                else:
                    self.say("250 OK")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_address[1]
    with serving(server, told.over):
        yield told
