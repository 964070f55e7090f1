"""A threaded gunicorn worker that buffers requests and responses: slow clients hold no thread.

gunicorn's own worker assigns a thread to a client at its first byte, and keeps it until the client
has received the response. Eight slow clients then occupy all threads. See docs/decisions/0010.
"""

from __future__ import annotations

import errno
import re
import resource
import selectors
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO

from gunicorn.http import get_parser
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import TConn, ThreadWorker

HEAD_SECONDS = 10  # to receive the request line and headers, from the first to the last byte
BODY_SECONDS = 20  # to receive the headers and the body
SEND_SECONDS = 60  # to send the whole response
LINGER_SECONDS = 2  # to wait for the client to close after the response
MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 1024 * 1024  # see settings.DATA_UPLOAD_MAX_MEMORY_SIZE; larger ones are not read
MAX_BUFFERED_BYTES = 64 * 1024 * 1024  # per worker; if exceeded, the largest buffers are dropped
SMALL_BYTES = 64 * 1024  # connections that buffer no more than this are never dropped for it
SPARE_FILES = 64  # file descriptors reserved for the database, logs and so on

_PIECE = 64 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,19})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)
_REFUSAL = b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TIMED_OUT = _REFUSAL % b"408 Request Timeout"
_LONG_HEAD = _REFUSAL % b"431 Request Header Fields Too Large"
_OVERLOADED = _REFUSAL % b"503 Service Unavailable\r\nRetry-After: 60"
_NO_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class ClientSocket(socket.socket):
    """A socket that never blocks on send: it buffers unsent data for the event loop."""

    def __init__(self, fileno: int) -> None:
        super().__init__(fileno=fileno)
        self.unsent = bytearray()

    def sendall(self, data: Any, *flags: int) -> None:
        """Sends what the client accepts now and buffers the rest."""
        sent = 0
        if not self.unsent:
            with suppress(BlockingIOError):
                sent = self.send(data, socket.MSG_DONTWAIT)
        self.unsent += memoryview(data)[sent:]

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:  # type: ignore[override]  # of files only
        """Sends or buffers `count` bytes of the file, or all. Returns the number of bytes."""
        file.seek(offset)
        sent = 0
        while data := file.read(_PIECE if count is None else min(_PIECE, count - sent)):
            self.sendall(data)
            sent += len(data)
        return sent

    def flush(self) -> bool:
        """Sends what the client accepts now. Returns whether the buffer is empty."""
        with suppress(BlockingIOError):
            while self.unsent:
                with memoryview(self.unsent)[:_PIECE] as piece:
                    sent = self.send(piece, socket.MSG_DONTWAIT)
                del self.unsent[:sent]
        return not self.unsent


class Connection(TConn):  # type: ignore[misc]  # gunicorn is not typed
    """A connection whose next request is being received or processed."""

    linger: Callable[[Connection], None]
    held = 0  # buffered bytes, as last counted

    def await_request(self) -> None:
        """Resets the buffer and the clock for the next request."""
        self.received = bytearray()
        self.size: int | None = (
            None  # bytes of the whole request; None until the headers are complete
        )
        self.is_last = False  # close afterwards: the start of the next one is unclear
        self.began = time.monotonic()
        self.sock.setblocking(False)

    def has_expired(self, now: float) -> bool:
        """Whether receiving the request takes too long. `now` is time.monotonic()."""
        return now - self.began > (BODY_SECONDS if self.size else HEAD_SECONDS)

    def is_whole(self) -> bool:
        """Whether the request is complete, as far as the application reads it."""
        if self.size is None:
            end = self.received.find(_END_OF_HEAD)
            if end < 0:
                return False
            self.size = self._size(end + len(_END_OF_HEAD))
        if self.size < 0:  # chunked: the last chunk is empty
            return self.received.endswith(b"0\r\n\r\n") or len(self.received) > MAX_BODY_BYTES
        return len(self.received) >= self.size

    def _size(self, head: int) -> int:
        """Returns the bytes of headers and body, or -1 for a chunked body."""
        if _CHUNKED.search(self.received, 0, head):
            self.is_last = True
            return -1
        length = _LENGTH.search(self.received, 0, head)
        body = int(length[1]) if length else 0
        if body > MAX_BODY_BYTES:
            self.is_last = True
            return head  # the application rejects it by its Content-Length
        if body and _EXPECT.search(self.received, 0, head):
            with suppress(OSError):
                self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return head + body

    def init(self) -> None:
        """Called in the thread. Has gunicorn parse the received bytes and nothing after them."""
        # Extra bytes, for example from pipelining, are ignored.
        self.is_last = self.is_last or len(self.received) != self.size
        self.initialized = True
        self.parser = get_parser(self.cfg, [bytes(self.received)], self.client)
        self.received = bytearray()

    def close(self, graceful: bool = False) -> None:
        """Avoids gunicorn's graceful close, which blocks the event loop for up to two seconds."""
        if graceful:
            self.linger(self)
        else:
            super().close()


class BufferingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn is not typed
    """Receives requests and sends responses in one event loop for all clients."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Each is ordered by start.
        self.arriving: dict[Connection, None] = {}
        self.sending: dict[Connection, Future[Any]] = {}
        self.closing: dict[Connection, float] = {}  # connection -> deadline
        self.buffered = 0  # bytes, of all connections
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.worker_connections: int = max(1, min(self.cfg.worker_connections, files - SPARE_FILES))
        self.max_keepalived = self.worker_connections - self.cfg.threads
        self.is_quitting = False

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Ends the process. Ctrl-C calls it twice: by the terminal, and by the master.

        gunicorn's own takes the lock of the thread pool. The thread that a signal interrupts may
        hold it already, and would wait for itself until the master kills the process.
        """
        if not self.is_quitting:
            self.is_quitting = True
            Worker.handle_quit(self, sig, frame)

    def accept(self, listener: socket.socket) -> None:
        """Accepts a connection. At the connection limit, closes another one for it."""
        try:
            accepted, address = listener.accept()
        except OSError as error:
            if error.errno in _NO_FILES:
                self._make_room()
            elif error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        if self.nr_conns + len(self.closing) >= self.worker_connections - 1:
            self._make_room()
        self.nr_conns += 1
        client = ClientSocket(fileno=accepted.detach())
        conn = Connection(self.cfg, client, address, listener.getsockname())
        conn.linger = self._linger
        self._await_request(conn)

    def _make_room(self) -> None:
        """Closes an idle connection, or the oldest one if there is none."""
        if self.closing:
            self._close(next(iter(self.closing)))
        elif self.keepalived_conns:
            conn = self.keepalived_conns.popleft()
            self.poller.unregister(conn.sock)
            self.nr_conns -= 1
            conn.close()
        else:
            oldest = [next(iter(one)) for one in (self.arriving, self.sending) if one]
            if oldest:
                self._drop(min(oldest, key=lambda conn: conn.began))

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        """Starts receiving the next request of a keep-alive connection."""
        if conn in self.keepalived_conns:  # otherwise it was just closed
            self.poller.unregister(client)
            self.keepalived_conns.remove(conn)
            self._await_request(conn)

    def _await_request(self, conn: Connection) -> None:
        conn.await_request()
        self.arriving[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))

    def _receive(self, conn: Connection, client: socket.socket) -> None:
        if conn not in self.arriving:  # it was just dropped
            return
        try:
            data = client.recv(_PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        conn.received += data
        self._count(conn, len(conn.received))
        if conn.is_whole():
            del self.arriving[conn]
            self.poller.unregister(client)
            conn.data_ready = True
            self.enqueue_req(conn)
        elif conn.size is None and len(conn.received) > MAX_HEAD_BYTES:
            self._refuse(conn, _LONG_HEAD)

    def _count(self, conn: Connection, held: int) -> None:
        """Counts the buffered bytes. Above MAX_BUFFERED_BYTES, closes the largest connections."""
        self.buffered += held - conn.held
        conn.held = held
        while self.buffered > MAX_BUFFERED_BYTES:
            largest = max([*self.arriving, *self.sending], key=lambda one: one.held, default=None)
            if largest is None or largest.held <= SMALL_BYTES:
                break
            if largest in self.arriving:
                self._refuse(largest, _OVERLOADED)
            else:
                self._drop(largest)

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Called in the thread. Closes the connection after an ambiguous request."""
        req._expected_100_continue = False  # already sent before the body
        if conn.is_last:
            req.force_close()
        return super().handle_request(req, conn)

    def finish_request(self, conn: Connection, done: Future[Any]) -> None:
        """Called when the thread is done. Sends the rest, then waits for the next request."""
        if conn.sock.unsent:
            conn.began = time.monotonic()
            conn.sock.setblocking(False)
            self.sending[conn] = done
            self.poller.register(conn.sock, selectors.EVENT_WRITE, partial(self._send, conn))
            self._count(conn, len(conn.sock.unsent))
        else:
            self._count(conn, 0)
            super().finish_request(conn, done)

    def _send(self, conn: Connection, client: ClientSocket) -> None:
        if conn not in self.sending:  # it was just dropped
            return
        try:
            if not client.flush():
                self._count(conn, len(client.unsent))
                return
        except OSError:
            self._drop(conn)
            return
        done = self.sending.pop(conn)
        self.poller.unregister(client)
        self.finish_request(conn, done)

    def murder_pending(self) -> None:
        """Closes connections that timed out. gunicorn calls it at least once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, until in list(self.closing.items()):
            if now > until:
                self._close(conn)
        for conn in list(self.sending):
            if now - conn.began > SEND_SECONDS:
                self._drop(conn)
        for conn in list(self.arriving):
            if conn.has_expired(now):
                self._refuse(conn, _TIMED_OUT)
            elif not self.alive and not conn.received:
                self._drop(conn)

    def _linger(self, conn: Connection) -> None:
        """Waits for the client to close, so that it gets the response (RFC 9112, section 9.6)."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            conn.close()
            return
        self.closing[conn] = time.monotonic() + LINGER_SECONDS
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._drain, conn))

    def _drain(self, conn: Connection, client: socket.socket) -> None:
        if conn not in self.closing:  # it was just closed
            return
        try:
            if client.recv(_PIECE):
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

    def _refuse(self, conn: Connection, answer: bytes) -> None:
        """Sends a short error response from the event loop, without buffering."""
        self._forget(conn)
        with suppress(OSError):
            conn.sock.send(answer)
        self._linger(conn)

    def _drop(self, conn: Connection) -> None:
        self._forget(conn)
        conn.close()

    def _forget(self, conn: Connection) -> None:
        self.arriving.pop(conn, None)
        self.sending.pop(conn, None)
        self.poller.unregister(conn.sock)
        self.buffered -= conn.held
        conn.held = 0
        conn.received = bytearray()
        conn.sock.unsent = bytearray()
        self.nr_conns -= 1
