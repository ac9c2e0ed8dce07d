"""Events sent to real services on the loopback interface: good ones, busy, slow, gone, and those that redirect."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from vfs.errors import Refused, ServiceError, UsageError
from vfs.journal.post import post_events

EVENTS = [{"eventType": "START", "name": "ümläut \ud800"}, {"eventType": "COMPLETE"}]


class Service(ThreadingHTTPServer):
    """Answers with these statuses, one after the other, then 201; `hold` makes it wait before each answer."""

    daemon_threads = True

    def __init__(self, statuses: list[int], hold: Event | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = statuses
        self.hold = hold
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, dict(self.headers), body))
        if self.server.hold is not None:
            self.server.hold.wait(60)
            return
        status = self.server.statuses.pop(0) if self.server.statuses else 201
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vfs.journal.post.WAITS", (0.0, 0.0, 0.0))
    for name in ("http_proxy", "https_proxy", "all_proxy", "OPENLINEAGE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def statuses() -> list[int]:
    return []


@pytest.fixture
def hold() -> Iterator[Event]:
    event = Event()
    yield event
    event.set()


def serving(service: Service) -> Iterator[Service]:
    thread = Thread(target=service.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join(10)


@pytest.fixture
def service(statuses: list[int]) -> Iterator[Service]:
    yield from serving(Service(statuses))


@pytest.fixture
def slow(hold: Event) -> Iterator[Service]:
    yield from serving(Service([], hold))


def test_events_arrive_in_order_with_the_key(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "sesame-123")
    assert post_events(service.url, EVENTS) == 2
    paths, headers, bodies = zip(*service.asked, strict=True)
    assert set(paths) == {"/api/v1/lineage"}
    assert [json.loads(body)["eventType"] for body in bodies] == ["START", "COMPLETE"]
    assert json.loads(bodies[0])["name"] == "ümläut ?"
    assert all(found["Content-Type"] == "application/json" for found in headers)
    assert all(found["Authorization"] == "Bearer sesame-123" for found in headers)


def test_without_a_key_there_is_no_authorization(service: Service) -> None:
    post_events(f"{service.url}/own/path?tenant=7", EVENTS[:1])
    ((path, headers, _),) = service.asked
    assert path == "/own/path?tenant=7"
    assert "Authorization" not in headers


def test_this_machine_is_reached_past_a_proxy(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "sesame-123")
    assert post_events(service.url, EVENTS) == 2


@pytest.mark.parametrize("first", [[500], [503, 429], [502, 500, 408]])
def test_a_service_that_recovers_gets_everything(service: Service, statuses: list[int], first: list[int]) -> None:
    statuses.extend(first)
    assert post_events(service.url, EVENTS) == 2
    assert len(service.asked) == 2 + len(first)


def test_a_service_that_does_not_recover_is_named_after_four_tries(service: Service, statuses: list[int]) -> None:
    statuses.extend([201, *[500] * 9])
    with pytest.raises(ServiceError, match=r"^http://127.*answered 500 Internal.*, 4 times; 1 events were taken") as it:
        post_events(f"{service.url}/in?token=secret", EVENTS)
    assert len(service.asked) == 1 + 4
    assert "secret" not in str(it.value) and "\n" not in str(it.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_a_refusal_is_not_repeated(service: Service, statuses: list[int], status: int) -> None:
    statuses.append(status)
    with pytest.raises(ServiceError, match=f"answered {status} .*no event was taken"):
        post_events(service.url, EVENTS)
    assert len(service.asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(service: Service, statuses: list[int], status: int) -> None:
    statuses.append(status)
    with pytest.raises(ServiceError, match="a redirect, which is not followed"):
        post_events(service.url, EVENTS)
    assert [path for path, _, _ in service.asked] == ["/api/v1/lineage"]


def test_a_service_that_does_not_answer_is_given_up(slow: Service) -> None:
    with pytest.raises(ServiceError, match=r"no answer (within 0.3 s|in time), 4 times; no event was taken"):
        post_events(slow.url, EVENTS, timeout=0.3)
    assert len(slow.asked) <= 4


def test_a_service_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vfs.journal.post.WAITS", ())
    done = Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                for byte in b"HTTP/1.1 200 " + b"x" * 600:
                    if done.wait(0.05):
                        return
                    try:
                        peer.send(bytes([byte]))
                    except OSError:
                        return

        thread = Thread(target=drip, daemon=True)
        thread.start()
        with pytest.raises(ServiceError, match=r"no answer (within 0.5 s|in time), 1 times"):
            post_events(f"http://127.0.0.1:{listener.getsockname()[1]}", EVENTS, timeout=0.5)
        done.set()
        thread.join(10)


def test_nobody_there_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ServiceError, match=r"^http://127.0.0.1:\d+: connection refused, 4 times; no event was taken$"):
        post_events(f"http://127.0.0.1:{port}", EVENTS)


def test_what_is_no_http_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            for _ in range(4):
                peer, _ = listener.accept()
                with peer:
                    peer.recv(65536)
                    peer.sendall(b"\x1b[31mSSH-2.0-\x00\n\n")

        thread = Thread(target=babble, daemon=True)
        thread.start()
        with pytest.raises(ServiceError, match=", 4 times") as it:
            post_events(f"http://127.0.0.1:{listener.getsockname()[1]}", EVENTS)
        thread.join(10)
    assert str(it.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        *("", "lineage", "ftp://host/x", "file:///etc/passwd", "http://", "http://host:99999/", "http://[::1/"),
        *("http://a b/", "http://höst/", "http://host/\n", "https://user:secret@host/"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(url: str) -> None:
    with pytest.raises(UsageError) as it:
        post_events(url, EVENTS)
    assert "secret" not in str(it.value) and str(it.value).isprintable()


def test_a_key_is_not_sent_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "sesame-123")
    with pytest.raises(Refused, match="by https only") as it:
        post_events("http://lineage.invalid/", EVENTS)
    assert "sesame" not in str(it.value)


def test_a_key_that_would_end_the_header_is_refused(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "sesame\r\nX-Evil: 1")
    with pytest.raises(UsageError, match="not a key") as it:
        post_events(service.url, EVENTS)
    assert "sesame" not in str(it.value) and service.asked == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of 127.0.0.1 by nobody whom a system trusts, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "loopback.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Service]:
    service = Service([])
    service.scheme = "https"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    service.socket = context.wrap_socket(service.socket, server_side=True, do_handshake_on_connect=False)
    yield from serving(service)


def test_a_certificate_is_checked(secure: Service, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "sesame-123")
    with pytest.raises(ServiceError, match=r"its certificate is not trusted: .*; no event was taken"):
        post_events(secure.url, EVENTS)
    assert secure.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert post_events(secure.url, EVENTS) == 2
