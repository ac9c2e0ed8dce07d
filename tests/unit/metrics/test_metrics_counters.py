from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from vfs.errors import ObjectMissing
from vfs.metrics import names
from vfs.metrics.counters import BOUNDS, Histogram, Registry
from vfs.metrics.names import METRICS
from vfs.store.measured import MeasuredStore
from vfs.store.memory import MemoryStore

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "METRICS.md"


def test_the_page_lists_every_metric_as_it_is() -> None:
    rows = re.findall(r"^\| `(vfs_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    documented = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), help_) for name, kind, labels, help_ in rows]
    assert documented == [(m.name, m.kind, m.labels, m.help) for m in METRICS]


def test_names_are_unique_and_follow_prometheus() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"vfs_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert metric.help.endswith(".")


def test_every_metric_in_the_module_is_in_the_list() -> None:
    defined = {value.name for value in vars(names).values() if isinstance(value, names.Metric)}
    assert defined == {metric.name for metric in METRICS}


def test_every_metric_is_counted_somewhere() -> None:
    sources = [*(ROOT / "vfs").rglob("*.py"), *(ROOT / "daemon").rglob("*.py")]
    text = "\n".join(path.read_text() for path in sources if path.name != "names.py")
    constants = [name for name, value in vars(names).items() if isinstance(value, names.Metric)]
    assert [name for name in constants if not re.search(rf"\b{name}\b", text)] == []


def test_threads_lose_no_count() -> None:
    counter = Registry().counter(names.READ_BYTES)
    threads = [threading.Thread(target=lambda: [counter.add(2) for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counter.value == 40_000


def test_an_observation_goes_to_the_bucket_whose_bound_it_does_not_exceed() -> None:
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], 0.002, 61.0):
        histogram.observe(seconds)
    counts, total = histogram.read()
    assert (counts[0], counts[BOUNDS.index(0.003)], counts[-1], sum(counts)) == (2, 1, 1, 4)
    assert total == pytest.approx(61.00201)


def test_samples_are_cumulative_and_complete() -> None:
    registry = Registry()
    registry.counter(names.REQUESTS, "read").add(3)
    registry.gauge(names.UP).set(1)
    registry.histogram(names.REQUEST_SECONDS, "read").observe(0.5)
    samples = {(s.metric.name, s.labels): s for s in registry.samples()}
    assert samples["vfs_requests_total", ("read",)].value == 3
    assert samples["vfs_mount_up", ()].value == 1
    buckets = samples["vfs_request_seconds", ("read",)].buckets
    assert list(buckets) == [int(bound >= 0.5) for bound in BOUNDS] + [1]
    # Without labels there is one series, shown from the start.
    assert samples["vfs_corrupt_total", ()].value == 0


def test_a_cell_is_the_same_every_time_and_of_its_kind() -> None:
    registry = Registry()
    assert registry.counter(names.REQUESTS, "read") is registry.counter(names.REQUESTS, "read")
    assert registry.counter(names.REQUESTS, "read") is not registry.counter(names.REQUESTS, "open")
    with pytest.raises(TypeError, match="vfs_requests_total"):
        registry.gauge(names.REQUESTS, "read")
    with pytest.raises(TypeError, match="vfs_requests_total"):
        registry.counter(names.REQUESTS)


def test_a_measured_store_counts_calls_bytes_and_errors() -> None:
    registry = Registry()
    store = MeasuredStore(MemoryStore(), registry)
    store.put("a/b", b"12345")
    store.get("a/b", start=1, length=3)
    version = store.swap("ref", b"x", expected=None)
    store.get_version("ref")
    store.remove("ref", expected=version)
    assert [info.key for info in store.list("")] == ["a/b"]
    store.delete("a/b")
    with pytest.raises(ObjectMissing):
        store.get("a/b")
    found = {(s.metric.name, s.labels): s for s in registry.samples()}
    calls = {labels[0]: s.value for (name, labels), s in found.items() if name == "vfs_store_requests_total"}
    assert calls == {"put": 1, "get": 3, "swap": 1, "remove": 1, "list": 1, "delete": 1}
    assert found["vfs_store_bytes_total", ("read",)].value == 4
    assert found["vfs_store_bytes_total", ("written",)].value == 6
    assert found["vfs_store_errors_total", ("get", "object_missing")].value == 1
    assert found["vfs_store_seconds", ("get",)].buckets[-1] == 3
