"""Metrics in the text format of Prometheus, over HTTP on a Unix socket or a loopback port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import trio
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from vfs.metrics.counters import BOUNDS, Registry, Sample
from vfs.metrics.names import Metric
from vfsd.listening import serve_peers
from vfsd.threads import Threads

# A scraper sends a dozen headers and waits some seconds.
_REQUEST_MAX = 8 << 10
_PATIENCE = 10.0
_CONNECTIONS_MAX = 16


class CounterCollector(Collector):
    """Shows the plain counters of a process to prometheus-client. `refresh` sets the gauges first."""

    def __init__(self, counters: Registry, refresh: Callable[[], None]) -> None:
        self._counters = counters
        self._refresh = refresh

    def collect(self) -> Iterable[Family]:
        """One family per metric, in the order of their definition."""
        self._refresh()
        families: dict[str, Family] = {}
        for sample in self._counters.samples():
            family = families.setdefault(sample.metric.name, _family(sample.metric))
            _add(family, sample)
        return families.values()


def _family(metric: Metric) -> Family:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
    if metric.kind == "gauge":
        return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    return HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)


def _add(family: Family, sample: Sample) -> None:
    if isinstance(family, HistogramMetricFamily):
        bounds = [*map(str, BOUNDS), "+Inf"]
        family.add_metric(sample.labels, list(zip(bounds, map(float, sample.buckets), strict=True)), sample.value)
    elif isinstance(family, CounterMetricFamily | GaugeMetricFamily):
        family.add_metric(sample.labels, sample.value)


class MetricsServer:
    """Answers GET /metrics on its listeners; one request a connection. Used in the event loop only."""

    def __init__(self, collector: Collector, threads: Threads, listeners: Sequence[trio.SocketListener]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        self._threads = threads
        self._listeners = list(listeners)

    async def serve(self) -> None:
        """Answer until cancelled."""
        await serve_peers(self._listeners, self._converse, at_most=_CONNECTIONS_MAX)

    async def _converse(self, stream: trio.SocketStream) -> None:
        with trio.move_on_after(_PATIENCE):
            await stream.send_all(await self._answer(await _request_line(stream)))
            await stream.send_eof()

    async def _answer(self, line: bytes) -> bytes:
        words = line.split()
        if len(words) < 2 or words[0] not in (b"GET", b"HEAD"):
            return _response("400 Bad Request", b"only GET /metrics\n")
        if words[1].partition(b"?")[0] != b"/metrics":
            return _response("404 Not Found", b"only /metrics\n")
        # Formatting takes milliseconds: not in the event loop.
        text = await self._threads.run(generate_latest, _PATIENCE, self._registry)
        return _response("200 OK", b"" if words[0] == b"HEAD" else text, CONTENT_TYPE_LATEST)


def _response(status: str, body: bytes, content_type: str = "text/plain; charset=utf-8") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


async def _request_line(stream: trio.SocketStream) -> bytes:
    """The first line of a request, once all its headers are there; what there is of one that is too long."""
    held = bytearray()
    while b"\r\n\r\n" not in held and b"\n\n" not in held and len(held) < _REQUEST_MAX:
        piece = await stream.receive_some(_REQUEST_MAX)
        if not piece:
            break
        held += piece
    return bytes(held.partition(b"\n")[0])
