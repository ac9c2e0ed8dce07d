"""The audit report in a real browser: what it shows on a phone, in the dark, on paper; that it asks for nothing."""

from __future__ import annotations

import html
import json
import re
import shutil
import struct
import subprocess
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from export_world import HOSTILE, Exported
from journal_world import World

from vfs.journal.render.about import About
from vfs.journal.render.formats import render
from vfs.model.names import printable

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PHONE, DESK = 390, 1100
pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

# Opens the page in frames as wide as a phone and a desk, and writes down what they show.
WATCHER = """<!DOCTYPE html><meta charset="utf-8"><link rel="icon" href="data:,">
<iframe src="/report.html" width="390" height="800"></iframe>
<iframe src="/report.html" width="1100" height="900"></iframe><pre id="found"></pre><script>
window.addEventListener("load", () => {
  const look = (frame) => {
    const page = frame.contentDocument, root = page.documentElement, view = frame.contentWindow;
    const box = (element) => element.getBoundingClientRect();
    const style = (name) => view.getComputedStyle(page.querySelector(name));
    return {
      width: root.clientWidth, full: root.scrollWidth,
      wide: [...page.querySelectorAll("body *")].filter((one) => !one.closest(".picture, pre, thead")
        && box(one).right > root.clientWidth + 1).map((one) => one.tagName + " " + one.textContent.slice(0, 40)),
      text: page.body.innerText, title: page.title, h1: style("h1").fontSize, row: style("tbody tr").display,
      picture: [box(page.querySelector("svg")).width, box(page.querySelector("svg")).height],
      drawn: [...page.querySelectorAll("svg text")].filter((one) => box(one).width > 0).length,
      requests: view.performance.getEntriesByType("resource").map((one) => one.name),
      scripts: page.scripts.length, images: page.images.length,
    };
  };
  document.getElementById("found").textContent = JSON.stringify([...document.querySelectorAll("iframe")].map(look));
});
</script>"""


class Pages(ThreadingHTTPServer):
    """Serves the report and the page that watches it; `asked` are the paths of all requests."""

    daemon_threads = True

    def __init__(self, report: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = {"/report.html": report, "/watcher.html": WATCHER}
        self.asked: list[str] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class _Handler(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        self.send_response(200 if page is not None else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((page or "").encode())

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture
def report(world: World) -> str:
    about = About("s3://bucket/data", signatures=("Signed by a key.",))
    return render(Exported(world).up(), "html", about=about)


@pytest.fixture
def pages(report: str) -> Iterator[Pages]:
    server = Pages(report)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def browse(home: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    """One call of the browser, with a profile of its own; it asks no server of its maker for anything."""
    command = [
        *(str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--enable-logging=stderr", f"--user-data-dir={home / 'profile'}", *options),
    ]
    done = subprocess.run(
        command, cwd=home, capture_output=True, timeout=60, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
    return done


def test_a_browser_shows_it_on_a_phone_and_on_a_desk(pages: Pages, tmp_path: Path) -> None:
    done = browse(tmp_path, "--dump-dom", "--virtual-time-budget=20000", pages.url("watcher.html"))
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout.decode(), re.DOTALL)
    assert found is not None
    phone, desk = json.loads(html.unescape(found[1]))
    for shown, width in ((phone, PHONE), (desk, DESK)):
        check_view(shown, width)
    # A narrow screen gets a smaller heading, and a block for each row.
    assert (phone["h1"], desk["h1"]) == ("25.6px", "33.6px")
    assert (phone["row"], desk["row"]) == ("block", "table-row")
    assert set(pages.asked) == {"/watcher.html", "/report.html"}
    assert b"CONSOLE" not in done.stderr


def check_view(shown: dict[str, Any], width: int) -> None:
    assert shown["width"] == width and shown["full"] == width
    assert shown["wide"] == []
    assert shown["requests"] == [] and shown["scripts"] == shown["images"] == 0
    text = shown["text"]
    for said in (
        *("At a glance", "Known gaps", "The picture", "How to verify", "Signed by a key.", "Words on this page"),
        *("from 2 files of “thumbs”", "python thumb.py", "with changes that were not committed"),
    ):
        assert said in text, said
    shorter = " ".join(text.split())
    assert all(" ".join(printable(name).split()) in shorter for name in HOSTILE)
    if shutil.which("dot") is not None:
        assert min(shown["picture"]) > 200 and shown["drawn"] > 20


def test_it_is_light_or_dark_as_the_reader_likes_and_prints(report: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(report)
    where = (tmp_path / "report.html").as_uri()
    light, dark, paper = tmp_path / "light.png", tmp_path / "dark.png", tmp_path / "paper.pdf"
    browse(tmp_path, "--window-size=600,500", f"--screenshot={light}", where)
    browse(tmp_path, "--window-size=600,500", "--force-dark-mode", f"--screenshot={dark}", where)
    browse(tmp_path, f"--print-to-pdf={paper}", where)
    bright, dim = brightness(light.read_bytes()), brightness(dark.read_bytes())
    # Text on paper: neither blank nor black.
    assert 200 < bright < 253
    assert 10 < dim < 70
    assert paper.read_bytes().startswith(b"%PDF-") and paper.stat().st_size > 5_000


def brightness(png: bytes) -> float:
    """The mean of all samples of a picture of 8-bit colours, 0 to 255."""
    width, height, depth, kind = struct.unpack(">IIBB", png[16:26])
    assert (depth, width, height) == (8, 600, 500)
    size = {2: 3, 6: 4}[kind]
    data, place = b"", 8
    while place < len(png):
        length, name = struct.unpack(">I4s", png[place : place + 8])
        data += png[place + 8 : place + 8 + length] if name == b"IDAT" else b""
        place += length + 12
    rows = unfiltered(zlib.decompress(data), width * size, size)
    samples = [row[at] for row in rows for at in range(0, len(row), 1) if size == 3 or at % 4 != 3]
    assert len(set(samples)) > 20
    return sum(samples) / len(samples)


def unfiltered(data: bytes, length: int, size: int) -> list[bytearray]:
    """The rows of a picture, whose bytes are written as differences to the left, the row above, or both."""
    rows = [bytearray(length)]
    for start in range(0, len(data), length + 1):
        kind, row, above = data[start], bytearray(data[start + 1 : start + 1 + length]), rows[-1]
        for at in range(length):
            left, up, corner = (row[at - size], above[at], above[at - size]) if at >= size else (0, above[at], 0)
            row[at] = (row[at] + predicted(kind, left, up, corner)) & 255
        rows.append(row)
    return rows[1:]


def predicted(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))
