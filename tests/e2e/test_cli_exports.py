"""`vfs lineage` and its kin as a user calls them for other systems: formats by name and by file, sent by HTTP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


class Service(ThreadingHTTPServer):
    """Takes events; while `held` is not set it answers nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 201
        self.held = Event()
        self.held.set()
        self.reached = Event()
        self.events: list[dict[str, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.reached.set()
        self.server.held.wait(60)
        self.server.events.append(json.loads(body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name in ("http_proxy", "all_proxy", "OPENLINEAGE_API_KEY", "OPENLINEAGE_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Service()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.held.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def exported(vfs: Vfs, isolated: Path) -> Vfs:
    """A store with a repo `scans` of one commit."""
    vfs("init")
    vfs("repo", "create", "scans")
    (isolated / "a").mkdir()
    (isolated / "a" / "b.txt").write_text("one")
    (isolated / "a" / "a <b>.txt").write_text("two")
    vfs("put", "scans", "a/")
    return vfs


def test_each_format_comes_by_name_and_by_file(exported: Vfs, isolated: Path) -> None:
    assert json.loads(exported("lineage", "scans:b.txt", "-f", "prov").stdout)["prefix"]["vfs"] == "vfs:"
    assert json.loads(exported("impact", "scans:b.txt", "-f", "rocrate").stdout)["@graph"]
    assert exported("blame", "scans:b.txt", "-f", "html").stdout.startswith(b"<!DOCTYPE html>")
    kinds = [
        json.loads(line)["eventType"] for line in exported("lineage", "scans", "-f", "openlineage").stdout.splitlines()
    ]
    assert kinds == ["START", "COMPLETE"] * (len(kinds) // 2) and kinds
    done = exported("lineage", "scans", "-o", "report.html")
    assert re.fullmatch(rb"\d+ nodes written to report.html\n", done.stdout)
    page = (isolated / "report.html").read_text()
    assert "Audit report" in page and "This version carries no signature" in page


def test_a_report_names_the_signatures(exported: Vfs) -> None:
    exported("key", "create", "Anna <b>")
    exported("key", "sign", "scans")
    page = exported("lineage", "scans", "-f", "html").stdout.decode()
    assert re.search(r"Signed on [^<]+ UTC with key \w+ \(Anna &lt;b&gt;\), which is trusted where this page", page)


def test_a_device_is_written_into_and_never_replaced(exported: Vfs, isolated: Path) -> None:
    null, full = isolated / "exports-null", isolated / "exports-full"
    null.symlink_to("/dev/null")
    full.symlink_to("/dev/full")
    assert exported("blame", "scans", "--format", "json", "-o", null).stdout == b""
    exported("key", "create", "ada")
    done = exported("key", "export", "ada", "-o", full, ok=False)
    assert done.returncode != 0 and b"exports-full: cannot be written: no space left on device" in done.stderr
    assert null.is_symlink() and full.is_symlink()


def test_a_crate_is_a_directory_or_an_archive(exported: Vfs, isolated: Path) -> None:
    exported("lineage", "scans", "-f", "rocrate", "-o", "new/crate/")
    assert {path.name for path in (isolated / "new" / "crate").iterdir()} == {
        *("ro-crate-metadata.json", "ro-crate-preview.html"),
    }
    exported("lineage", "scans", "-o", "crate.zip")
    with zipfile.ZipFile(isolated / "crate.zip") as archive:
        assert json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
    (isolated / "file").write_text("")
    refused = exported("lineage", "scans", "-f", "rocrate", "-o", "file/", ok=False)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (1, 1)


def test_events_are_posted(exported: Vfs, service: Service) -> None:
    done = exported("lineage", "scans", "--post", service.url)
    assert done.stdout.decode() == f"{len(service.events)} events sent to {service.url}\n"
    assert [event["eventType"] for event in service.events][:2] == ["START", "COMPLETE"]


def test_a_service_that_refuses_is_one_line_and_exit_3(exported: Vfs, service: Service) -> None:
    service.status = 403
    done = exported("lineage", "scans", "--post", service.url, ok=False)
    assert (done.returncode, done.stdout) == (3, b"")
    assert re.fullmatch(rb"vfs: http://127.0.0.1:\d+: answered 403 Forbidden; no event was taken\n", done.stderr)


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--post", "ftp://host/"), 2),
        (("--post", "http://host/", "-f", "svg"), 2),
        (("--post", "http://host/", "-o", "file"), 2),
        (("--post", "http://user:secret@host/"), 2),
        (("--post", ""), 2),
    ],
)
def test_words_that_do_not_fit_are_usage_errors(vfs: Vfs, words: tuple[str, ...], status: int) -> None:
    done = vfs("lineage", "scans", *words, ok=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (status, 1)
    assert b"secret" not in done.stderr


def test_ctrl_c_ends_a_post_that_waits(exported: Vfs, service: Service) -> None:
    service.held.clear()
    command = [sys.executable, "-c", "from vfs.cli.main import main; main()", "lineage", "scans", "--post", service.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert service.reached.wait(60)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in complaint
