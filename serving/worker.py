"""gunicorn's threaded worker, behind a buffer: a thread is taken once a request is there, whole.

gunicorn's own worker gives a thread to a client as soon as its first byte has come; eight clients
that go on slowly then hold all of them. See docs/decisions/0010.
"""

from __future__ import annotations

import errno
import re
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_SECONDS = 10  # for the request line and the headers, from the first to the last byte
BODY_SECONDS = 20  # for those and the body
SEND_SECONDS = 10  # for a client to take a piece of the answer
LINGER_SECONDS = 2  # for a client to close after the answer
MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024  # as settings.DATA_UPLOAD_MAX_MEMORY_SIZE: a longer one is not read

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,19})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class ClientSocket(socket.socket):
    """A client that does not take its answer is one that has gone."""

    def sendall(self, data: Any, *flags: int) -> None:
        try:
            super().sendall(data, *flags)
        except TimeoutError:
            raise BrokenPipeError(errno.EPIPE, "The client does not read.") from None


class Connection(TConn):  # type: ignore[misc]  # gunicorn is not typed
    """A connection whose next request is still arriving, or being answered."""

    linger: Callable[[Connection], None]

    def await_request(self) -> None:
        self.received = bytearray()
        self.size: int | None = None  # of the whole request, once the headers are there
        self.began = time.monotonic()
        self.sock.setblocking(False)

    def has_expired(self, now: float) -> bool:
        return now - self.began > (BODY_SECONDS if self.size else HEAD_SECONDS)

    def is_whole(self) -> bool:
        """Whether a thread can read the request, or the refusal of it, without waiting."""
        if self.size is None:
            end = self.received.find(_END_OF_HEAD)
            if end < 0:
                return len(self.received) > MAX_HEAD_BYTES  # gunicorn refuses it
            self.size = self._size(end + len(_END_OF_HEAD))
        if self.size < 0:  # chunks: the last one is empty
            return self.received.endswith(b"0\r\n\r\n") or len(self.received) > MAX_BODY_BYTES
        return len(self.received) >= self.size

    def _size(self, head: int) -> int:
        """The octets of head and body; -1 where only its last chunk tells."""
        if _CHUNKED.search(self.received, 0, head):
            return -1
        length = _LENGTH.search(self.received, 0, head)
        body = int(length[1]) if length else 0
        if body > MAX_BODY_BYTES:
            return head  # the application refuses it by its Content-Length, unread
        if body and _EXPECT.search(self.received, 0, head):
            with suppress(OSError):
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return head + body

    def init(self) -> None:
        """Called in the thread, which from here on finds what was received in the parser."""
        super().init()
        self.sock.settimeout(SEND_SECONDS)
        self.parser.unreader.unread(bytes(self.received))

    def close(self, graceful: bool = False) -> None:
        """gunicorn's own graceful close waits in the event loop, up to two seconds each."""
        if graceful:
            self.linger(self)
        else:
            super().close()

    @property
    def has_more(self) -> bool:
        """The client has sent more than one request asks for, as in pipelining."""
        return self.size is not None and 0 <= self.size < len(self.received)


class BufferingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn is not typed
    """Receives requests in its one event loop, for all clients at once; threads answer them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: dict[Connection, None] = {}  # in the order in which they began
        self.closing: dict[Connection, float] = {}  # until when

    def accept(self, listener: socket.socket) -> None:
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        if self.nr_conns >= self.worker_connections - 1 and self.arriving:
            self._drop(next(iter(self.arriving)))  # who has had the most time makes room
        self.nr_conns += 1
        client = ClientSocket(fileno=accepted.detach())
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.linger = self._linger
        self._await_request(conn)

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """A connection that was kept alive has its next request coming."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_request(conn)

    def _await_request(self, conn: Connection) -> None:
        conn.await_request()
        self.arriving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))

    def _receive(self, conn: Connection, client: socket.socket) -> None:
        try:
            data = client.recv(64 * 1024)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        conn.received += data
        if not data:
            self._drop(conn)
        elif conn.is_whole():
            del self.arriving[conn]
            self.poller.unregister(client)
            conn.data_ready = True
            self.enqueue_req(conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        return not conn.has_more and super()._keepalive_after(conn, keepalive)

    def murder_pending(self) -> None:
        """gunicorn calls this once a second or oftener, also while it stops."""
        super().murder_pending()
        now = time.monotonic()
        for conn, until in list(self.closing.items()):
            if now > until:
                self._close(conn)
        for conn in list(self.arriving):
            if conn.has_expired(now):
                with suppress(OSError):
                    conn.sock.send(_TIMED_OUT)
                self._drop(conn)
            elif not self.alive and not conn.received:
                self._drop(conn)

    def _linger(self, conn: Connection) -> None:
        """Closes once the client has, so that it can read its answer (RFC 9112, section 9.6)."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        self.closing[conn] = time.monotonic() + LINGER_SECONDS
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))

    def _drain(self, conn: Connection, client: socket.socket) -> None:
        try:
            if client.recv(64 * 1024):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._close(conn)

    def _close(self, conn: Connection) -> None:
        del self.closing[conn]
        self.poller.unregister(conn.sock)
        conn.close()

    def _drop(self, conn: Connection) -> None:
        del self.arriving[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()
