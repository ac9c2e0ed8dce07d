"""The metrics: every counter is shown, in a form that Prometheus reads."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from vfs.metrics.counters import Registry
from vfs.metrics.names import METRICS, READ_BYTES, REQUEST_SECONDS, REQUESTS, UP
from vfsd.listening import listen_loopback, listen_unix
from vfsd.meters import Meters
from vfsd.metrics import CounterCollector, MetricsServer
from vfsd.threads import Threads
from vfsd.troubles import Troubles


def shown(counters: Registry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples as a scraper reads them."""
    registry = CollectorRegistry()
    registry.register(CounterCollector(counters, lambda: counters.gauge(UP).set(1)))
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_metric_is_shown_under_its_name() -> None:
    counters = Registry()
    for metric in METRICS:
        labels = ["value"] * len(metric.labels)
        getattr(counters, metric.kind)(metric, *labels)
    found = {name for name, _ in shown(counters)}
    for metric in METRICS:
        names = {f"{metric.name}_count", f"{metric.name}_sum"} if metric.kind == "histogram" else {metric.name}
        assert names <= found


def test_values_are_those_of_the_counters() -> None:
    counters = Registry()
    meters = Meters(counters, Troubles())
    meter = meters.meter("read")
    for seconds in (0.0001, 0.2, 100.0):
        meter.answered(seconds)
    meter.failed(5)
    meters.read_bytes.add(77)
    found = shown(counters)
    labels = (("operation", "read"),)
    assert found[REQUESTS.name, labels] == 3
    assert found[READ_BYTES.name, ()] == 77
    assert found["vfs_request_errors_total", (("errno", "EIO"), *labels)] == 1
    assert found[f"{REQUEST_SECONDS.name}_count", labels] == 3
    assert found[f"{REQUEST_SECONDS.name}_bucket", (("le", "0.3"), *labels)] == 2
    assert found[f"{REQUEST_SECONDS.name}_bucket", (("le", "+Inf"), *labels)] == 3
    assert found[UP.name, ()] == 1
    assert meters.counts() == {"read": 3}


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """A metrics server on a Unix socket."""
    path = str(tmp_path / "metrics.sock")
    collector = CounterCollector(Registry(), lambda: None)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(MetricsServer(collector, Threads(1), [listen_unix(path)]).serve)
        yield path
        nursery.cancel_scope.cancel()


async def ask(path: str, request: bytes) -> bytes:
    held = b""
    async with await trio.open_unix_socket(path) as stream:
        await stream.send_all(request)
        with trio.fail_after(10):
            while piece := await stream.receive_some(65536):
                held += piece
    return held


async def test_metrics_are_served_and_nothing_else(address: str) -> None:
    answer = await ask(address, b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"vfs_mount_up 0.0" in body
    assert (await ask(address, b"HEAD /metrics HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")
    assert (await ask(address, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
    assert (await ask(address, b"POST /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 400")
    with contextlib.suppress(trio.BrokenResourceError):
        assert (await ask(address, b"\0" * 20_000)).startswith(b"HTTP/1.1 400")
    assert (await ask(address, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")
    assert os.stat(address).st_mode & 0o777 == 0o600


async def test_a_loopback_port_serves_them_too() -> None:
    listener = listen_loopback(0)
    port = listener.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(MetricsServer(CounterCollector(Registry(), lambda: None), Threads(1), [listener]).serve)
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert (await stream.receive_some(12)) == b"HTTP/1.1 200"
        nursery.cancel_scope.cancel()
