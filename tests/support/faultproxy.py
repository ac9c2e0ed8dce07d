"""Stands between a client and a real S3 service on loopback, and breaks answers as planned.

Requests go to the service as they are (the Host header too, so signatures hold), each on a connection of its own.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Seconds after which nothing here waits any longer: over every deadline of the tests.
LIMIT = 60.0


@dataclass
class Exchange:
    """One request and the means to answer it. `line` is `PUT /bucket/key`, without the query."""

    proxy: FaultProxy
    client: socket.socket
    line: str
    head: bytes
    body: bytes

    def forward(self, head: bytes | None = None) -> bytes:
        """The whole answer of the service."""
        with socket.create_connection(("127.0.0.1", self.proxy.upstream), timeout=LIMIT) as service:
            service.sendall((head or self.head) + b"\r\n\r\n" + self.body)
            answer = b"".join(iter(lambda: service.recv(1 << 20), b""))
        self.proxy.received += len(answer)
        return answer

    @property
    def fields(self) -> dict[str, str]:
        """The header of the request, names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


Fault = Callable[[Exchange], None]


class FaultProxy:
    """A listening socket and one thread per connection.

    `plan` says what becomes of the next matching requests, `rule` of all others. What was asked is kept in `heads`, and
    in `requests` as lines; `received` counts the bytes that the service answered, heads included.
    """

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.rule: Fault = passed
        self.requests: list[str] = []
        self.heads: list[str] = []
        self.received = 0
        self.stopping = threading.Event()
        self._plan: list[tuple[str, Fault]] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def plan(self, start: str, *faults: Fault) -> None:
        """The next requests whose line starts with `start` meet these faults, one each, in this order."""
        with self._lock:
            self._plan.extend((start, fault) for fault in faults)

    @property
    def left(self) -> int:
        """Faults that no request has met yet."""
        return len(self._plan)

    def clear(self) -> None:
        """Forget all plans, the rule and what was asked."""
        with self._lock:
            self._plan.clear()
            self.rule = passed
            self.requests.clear()
            self.heads.clear()
            self.received = 0

    def stop(self) -> None:
        self.stopping.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(LIMIT)
        with contextlib.suppress(OSError), client:
            exchange = self._read(client)
            if exchange is not None:
                self._fault_for(exchange.line)(exchange)

    def _read(self, client: socket.socket) -> Exchange | None:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = client.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        fields = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in lines[1:]}
        if b"expect" in fields:
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(body) < int(fields.get(b"content-length", b"0")):
            body += client.recv(1 << 20)
        # Neither is signed. The service closes when it has answered, which is how the end is known here.
        kept = [line for line in lines if line.partition(b":")[0].lower() not in (b"expect", b"connection")]
        line = lines[0].decode().split("?")[0].split(" HTTP")[0]
        self.requests.append(line)
        self.heads.append(head.decode("latin-1"))
        return Exchange(self, client, line, b"\r\n".join([*kept, b"Connection: close"]), body)

    def _fault_for(self, line: str) -> Fault:
        with self._lock:
            for number, (start, fault) in enumerate(self._plan):
                if line.startswith(start):
                    del self._plan[number]
                    return fault
        return self.rule


def passed(exchange: Exchange) -> None:
    """No fault."""
    exchange.client.sendall(exchange.forward())


def answers(status: int, code: str, *, date: str = "") -> Fault:
    """The service is not asked; the client gets this error, sent at `date` by the clock of the service."""

    def fault(exchange: Exchange) -> None:
        body = f"<Error><Code>{code}</Code><Message>as planned</Message></Error>".encode()
        body = b"" if exchange.line.startswith("HEAD") else body
        fields = [f"Content-Length: {len(body)}", "Connection: close", *([f"Date: {date}"] if date else [])]
        exchange.client.sendall("\r\n".join([f"HTTP/1.1 {status} {code}", *fields, "", ""]).encode() + body)

    return fault


def knows_no_conditions(exchange: Exchange) -> None:
    """As a service without conditional writes: they are answered 501, all else as it should be."""
    conditional = {"if-match", "if-none-match"} & exchange.fields.keys()
    (answers(501, "NotImplemented") if conditional else passed)(exchange)


def ignores_conditions(exchange: Exchange) -> None:
    """As a service that finds every condition met. What is signed cannot be left out, so the refusal is turned."""
    answer = exchange.forward()
    if answer.startswith(b"HTTP/1.1 412 "):
        answer = b'HTTP/1.1 200 OK\r\nETag: "ignored"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'
    exchange.client.sendall(answer)


def as_http_proxy(exchange: Exchange) -> None:
    """The client was told that this is a proxy, and names the host in the request line."""
    method, _, rest = exchange.head.partition(b" ")
    path = rest.partition(b"://")[2].partition(b"/")[2]
    exchange.client.sendall(exchange.forward(method + b" /" + path))


def flips(exchange: Exchange) -> None:
    """One bit in the middle of the body is another; length and head are right."""
    answer = bytearray(exchange.forward())
    end = answer.index(b"\r\n\r\n") + 4
    if len(answer) > end:
        answer[end + (len(answer) - end) // 2] ^= 1
    exchange.client.sendall(answer)


def truncates(exchange: Exchange) -> None:
    """The body is half as long, and the head says so: nothing of HTTP is wrong."""
    head, _, body = exchange.forward().partition(b"\r\n\r\n")
    kept = [
        line for line in head.split(b"\r\n") if not line.lower().startswith((b"content-length:", b"content-range:"))
    ]
    body = body[: len(body) // 2]
    exchange.client.sendall(b"\r\n".join([*kept, b"Content-Length: %d" % len(body), b"", body]))


def resets(exchange: Exchange) -> None:
    """The connection is reset before the service is asked."""
    exchange.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def loses_answer(exchange: Exchange) -> None:
    """The service does what was asked, and the client never hears of it."""
    exchange.forward()
    resets(exchange)


def half(exchange: Exchange) -> None:
    """The connection ends in the middle of the body."""
    answer = exchange.forward()
    end = answer.index(b"\r\n\r\n") + 4
    exchange.client.sendall(answer[: end + (len(answer) - end) // 2])


def drips(exchange: Exchange) -> None:
    """The body comes at a hundred bytes a second."""
    answer = exchange.forward()
    end = answer.index(b"\r\n\r\n") + 4
    exchange.client.sendall(answer[:end])
    for start in range(end, len(answer), 10):
        exchange.client.sendall(answer[start : start + 10])
        if exchange.proxy.stopping.wait(0.1):
            return


def silent(exchange: Exchange) -> None:
    """Nothing ever comes back; the request is not passed on."""
    exchange.client.recv(1)


def without(header: str) -> Fault:
    """The service does not see one header of the request."""

    def fault(exchange: Exchange) -> None:
        lines = exchange.head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(header.lower().encode() + b":")]
        exchange.client.sendall(exchange.forward(b"\r\n".join(kept)))

    return fault


@contextlib.contextmanager
def fault_proxy(upstream: int) -> Iterator[FaultProxy]:
    proxy = FaultProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.stop()
