"""What every store promises, run over memory, a local directory and a real S3 service."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.radosgw import Radosgw

from vfs.config.settings import default_settings
from vfs.errors import Conflict, Corrupt, ObjectMissing, StoreFormat, StoreMissing, UsageError
from vfs.metrics.counters import Registry
from vfs.store.local import LocalStore
from vfs.store.marked import MarkedStore
from vfs.store.marker import MARKER_KEY, Marker, ensure_marker, read_marker
from vfs.store.measured import MeasuredStore
from vfs.store.memory import MemoryStore
from vfs.store.open import create_store, open_store
from vfs.store.probe import lack_of_conditions
from vfs.store.protocol import Store
from vfs.store.s3_store import PART_SIZE, S3Store
from vfs.store.url import S3URL

PACK = "packs/ab/00112233445566778899aabbccddeeff"
REF = "repos/photos/heads/main"


def s3_url(gateway: Radosgw, monkeypatch: pytest.MonkeyPatch) -> S3URL:
    for name, value in gateway.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"contract-{secrets.token_hex(6)}"
    gateway.make_bucket(bucket)
    return S3URL(bucket, "some/prefix")


@pytest.fixture(params=["memory", "local", "measured-local", "marked-local", "s3-radosgw"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    made: Store
    if request.param == "memory":
        made = MemoryStore()
    elif request.param == "local":
        made = LocalStore(tmp_path)
    elif request.param == "measured-local":
        made = MeasuredStore(LocalStore(tmp_path), Registry())
    elif request.param == "marked-local":
        made = MarkedStore(LocalStore(tmp_path), Marker(1, "00112233445566778899aabbccddeeff"))
    else:
        gateway: Radosgw = request.getfixturevalue("radosgw")
        settings = default_settings(s3={"endpoint": gateway.endpoint}).s3
        made = S3Store(s3_url(gateway, monkeypatch), settings, timeout=20)
    yield made
    made.close()


def keys(store: Store, prefix: str) -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_an_object_comes_back_as_it_was_put(store: Store) -> None:
    data = bytes(range(256)) * 40
    store.put(PACK, data)
    assert store.get(PACK) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_put_takes_anything_that_holds_bytes(store: Store, kind: type) -> None:
    store.put(PACK, kind(b"some bytes"))
    assert store.get(PACK) == b"some bytes"


RANGES: tuple[tuple[int, int | None], ...] = (
    (0, 1), (0, 10), (3, 4), (9, 1), (9, 5), (0, 1000), (4, 0),
    (5, None), (10, None), (10, 1), (500, 3), (500, None),
)  # fmt: skip


def test_a_range_gives_what_there_is(store: Store) -> None:
    data = b"0123456789"
    store.put(PACK, data)
    for start, length in RANGES:
        expected = data[start:] if length is None else data[start : start + length]
        assert store.get(PACK, start=start, length=length) == expected, (start, length)


def test_an_object_in_several_parts_is_whole(store: Store) -> None:
    data = secrets.token_bytes(1 << 20) * (2 * PART_SIZE // (1 << 20)) + b"tail"
    store.put(PACK, memoryview(data))
    assert store.get(PACK) == data
    assert store.get(PACK, start=PART_SIZE - 2, length=4) == data[PART_SIZE - 2 : PART_SIZE + 2]
    assert store.get(PACK, start=2 * PART_SIZE) == b"tail"


def test_putting_the_same_bytes_again_is_harmless(store: Store) -> None:
    store.put(PACK, b"same")
    store.put(PACK, b"same")
    assert store.get(PACK) == b"same"
    assert keys(store, "packs/") == [PACK]


def test_an_absent_object_is_missing_in_every_way_of_asking(store: Store) -> None:
    for ask in (
        lambda: store.get(PACK),
        lambda: store.get(PACK, start=5, length=5),
        lambda: store.get(PACK, start=5),
        lambda: store.get(PACK, length=0),
        lambda: store.get_version(PACK),
    ):
        with pytest.raises(ObjectMissing, match=PACK):
            ask()


def test_a_range_is_not_negative(store: Store) -> None:
    store.put(PACK, b"x")
    for start, length in ((-1, None), (0, -1)):
        with pytest.raises(UsageError, match="not a range"):
            store.get(PACK, start=start, length=length)


def test_delete_removes_and_does_not_mind_absence(store: Store) -> None:
    store.put(PACK, b"x")
    store.delete(PACK)
    store.delete(PACK)
    with pytest.raises(ObjectMissing):
        store.get(PACK)
    assert keys(store, "") == []


NO_KEYS = (
    "", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a/..", ".", ".lock", "a/.tmp-1",
    "a b", "a\nb", "a\0", "ä", "a\\b",
)  # fmt: skip


def test_a_key_that_is_none_is_refused_everywhere(store: Store) -> None:
    calls: tuple[Callable[[str], object], ...] = (
        store.get,
        store.get_version,
        lambda key: store.put(key, b"x"),
        lambda key: store.swap(key, b"x", expected=None),
        lambda key: store.remove(key, expected="x"),
        store.delete,
    )
    for key in NO_KEYS:
        for call in calls:
            with pytest.raises(UsageError, match="not a store key"):
                call(key)


def test_a_key_of_over_900_characters_is_refused(store: Store) -> None:
    with pytest.raises(UsageError):
        store.put("/".join(["a" * 100] * 9) + "bb", b"x")
    store.put("/".join(["a" * 99] * 9), b"x")


def test_a_prefix_that_starts_no_key_is_refused(store: Store) -> None:
    for prefix in ("..", "a/../", "/", ".tmp", "a b"):
        with pytest.raises(UsageError, match="not a prefix"):
            list(store.list(prefix))


def test_an_object_is_never_empty(store: Store) -> None:
    with pytest.raises(UsageError, match="cannot be empty"):
        store.put(PACK, b"")
    with pytest.raises(UsageError, match="cannot be empty"):
        store.swap(REF, b"", expected=None)
    assert keys(store, "") == []


def test_a_ref_is_created_once(store: Store) -> None:
    version = store.swap(REF, b"one", expected=None)
    with pytest.raises(Conflict, match=REF):
        store.swap(REF, b"two", expected=None)
    assert store.get_version(REF) == (b"one", version)


def test_a_ref_moves_from_the_version_that_stands(store: Store) -> None:
    first = store.swap(REF, b"one", expected=None)
    second = store.swap(REF, b"two", expected=first)
    assert second != first
    with pytest.raises(Conflict):
        store.swap(REF, b"three", expected=first)
    assert store.get_version(REF) == (b"two", second)
    assert store.get(REF) == b"two"
    third = store.swap(REF, b"three", expected=store.get_version(REF)[1])
    assert store.get_version(REF) == (b"three", third)


def test_an_absent_ref_does_not_move(store: Store) -> None:
    version = store.swap("repos/other/heads/main", b"one", expected=None)
    with pytest.raises(Conflict):
        store.swap(REF, b"two", expected=version)
    with pytest.raises(ObjectMissing):
        store.get(REF)


def test_a_ref_may_move_to_the_same_content(store: Store) -> None:
    first = store.swap(REF, b"one", expected=None)
    again = store.swap(REF, b"one", expected=first)
    store.swap(REF, b"two", expected=again)
    assert store.get(REF) == b"two"


def test_a_ref_is_removed_from_the_version_that_stands(store: Store) -> None:
    first = store.swap(REF, b"one", expected=None)
    second = store.swap(REF, b"two", expected=first)
    with pytest.raises(Conflict):
        store.remove(REF, expected=first)
    assert store.get(REF) == b"two"
    store.remove(REF, expected=second)
    for ask in (
        lambda: store.get(REF),
        lambda: store.get(REF, start=1),
        lambda: store.get(REF, length=0),
        lambda: store.get_version(REF),
    ):
        with pytest.raises(ObjectMissing):
            ask()
    assert keys(store, "") == []
    with pytest.raises(Conflict):
        store.remove(REF, expected=second)


def test_a_removed_ref_can_be_made_again_by_one(store: Store) -> None:
    for content in (b"one", b"two", b"three"):
        version = store.swap(REF, content, expected=None)
        with pytest.raises(Conflict):
            store.swap(REF, b"other", expected=None)
        assert store.get_version(REF) == (content, version)
        assert keys(store, "repos/") == [REF]
        store.remove(REF, expected=version)
    with pytest.raises(Conflict):
        store.swap(REF, b"four", expected=version)


def test_listing_is_in_key_order_whatever_the_directories(store: Store) -> None:
    names = ["a-b/x", "a.b/x", "a/a/x", "a/b", "a/x", "a0/x", "aa/x", "b", "a+c", "B/x", "_x/y"]
    for name in names:
        store.put(name, b"xy")
    assert keys(store, "") == sorted(names)
    assert keys(store, "a") == sorted(name for name in names if name.startswith("a"))
    assert keys(store, "a/") == ["a/a/x", "a/b", "a/x"]
    assert keys(store, "a/a") == ["a/a/x"]
    assert keys(store, "a/b") == ["a/b"]
    assert keys(store, "nothing/here/") == []
    assert keys(store, "b/") == []


def test_names_are_those_of_one_level(store: Store) -> None:
    for name in ("a-b/x", "a.b/x", "a/a/x", "a/a/y/z", "a/b", "a/x", "b", "a+c", "B/x"):
        store.put(name, b"xy")
    assert list(store.list_names("")) == ["B/", "a+c", "a-b/", "a.b/", "a/", "b"]
    assert list(store.list_names("a/")) == ["a/", "b", "x"]
    assert list(store.list_names("a/a/")) == ["x", "y/"]
    assert list(store.list_names("nothing/here/")) == []
    for prefix in ("a", "/", "a//", ".a/", "../"):
        with pytest.raises(UsageError):
            list(store.list_names(prefix))


def test_names_that_were_removed_are_none(store: Store) -> None:
    store.put("repos/plain", b"x")
    version = store.swap("repos/ref", b"x", expected=None)
    assert list(store.list_names("repos/")) == ["plain", "ref"]
    store.remove("repos/ref", expected=version)
    store.delete("repos/plain")
    assert list(store.list_names("repos/")) == []


def test_listing_gives_sizes_and_times(store: Store) -> None:
    before = time.time_ns()
    store.put(PACK, b"12345")
    (info,) = store.list("packs/")
    assert info.size == 5
    # Whole seconds on S3, the tick of the kernel's clock on disk.
    assert before - 1_500_000_000 <= info.mtime_ns <= time.time_ns() + 1_000_000_000


def test_listing_goes_on_beyond_a_page(store: Store) -> None:
    names = [f"many/{number:04d}{'/below' if number % 2 else ''}" for number in range(1005)]
    threads = [
        threading.Thread(target=lambda part: [store.put(name, b"x") for name in part], args=(names[start::8],))
        for start in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert keys(store, "many/") == names
    assert list(store.list_names("many/")) == [name[5:].removesuffix("below") for name in names]


def test_threads_that_move_one_ref_lose_nothing(store: Store) -> None:
    store.swap(REF, b"0", expected=None)

    def count(times: int) -> None:
        while times:
            data, version = store.get_version(REF)
            try:
                store.swap(REF, b"%d" % (int(data) + 1), expected=version)
            except Conflict:
                continue
            times -= 1

    threads = [threading.Thread(target=count, args=(5,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert store.get(REF) == b"30"


def test_threads_that_create_one_ref_create_it_once(store: Store) -> None:
    won: list[int] = []

    def create(number: int) -> None:
        try:
            store.swap(REF, b"%d" % number, expected=None)
        except Conflict:
            return
        won.append(number)

    for round_ in range(5):
        threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(won) == round_ + 1
        data, version = store.get_version(REF)
        assert data == b"%d" % won[-1]
        store.remove(REF, expected=version)


def test_the_marker_is_written_once(store: Store) -> None:
    with pytest.raises(StoreMissing, match="vfs init"):
        read_marker(store)
    marker = ensure_marker(store)
    assert ensure_marker(store) == marker == read_marker(store)


OTHER_MARKERS: tuple[tuple[bytes, type[Exception]], ...] = (
    (b'{"format":2,"id":"00112233445566778899aabbccddeeff"}', StoreFormat),
    (b'{"format":1,"id":"0011"}', Corrupt),
    (b'{"format":1}', Corrupt),
    (b"junk", Corrupt),
    (b"[" * 100_000, Corrupt),
)


def test_a_marker_of_another_kind_is_not_taken(store: Store) -> None:
    for data, error in OTHER_MARKERS:
        store.put(MARKER_KEY, data)
        for call in (read_marker, ensure_marker):
            with pytest.raises(error, match="store"):
                call(store)
        assert store.get(MARKER_KEY) == data


def test_later_fields_of_the_marker_are_no_obstacle(store: Store) -> None:
    store.put(MARKER_KEY, b'{"format":1,"id":"00112233445566778899aabbccddeeff","made_by":"0.9"}')
    assert read_marker(store).id == "00112233445566778899aabbccddeeff"


def test_the_probe_passes_and_leaves_nothing(store: Store) -> None:
    assert lack_of_conditions(store) == ""
    assert keys(store, "") == []


COUNTER = """
import sys
from vfs.config.settings import default_settings
from vfs.errors import Conflict
from vfs.store.open import open_store

url, endpoint, key, times = sys.argv[1:]
store = open_store(url, default_settings(s3={"endpoint": endpoint}))
left = int(times)
while left:
    data, version = store.get_version(key)
    try:
        store.swap(key, b"%d" % (int(data) + 1), expected=version)
    except Conflict:
        continue
    left -= 1
"""


@pytest.mark.parametrize(("kind", "processes", "times"), [("local", 20, 10), ("s3-radosgw", 6, 5)])
def test_processes_that_move_one_ref_lose_nothing(
    kind: str,
    processes: int,
    times: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, endpoint = f"file://{tmp_path}/store", ""
    if kind != "local":
        gateway: Radosgw = request.getfixturevalue("radosgw")
        place, endpoint = s3_url(gateway, monkeypatch), gateway.endpoint
        url = f"s3://{place.bucket}/{place.prefix}"
    store = create_store(url, default_settings(s3={"endpoint": endpoint}))
    store.swap(REF, b"0", expected=None)
    words = [sys.executable, "-c", COUNTER, url, endpoint, REF, str(times)]
    running = [subprocess.Popen(words) for _ in range(processes)]
    try:
        assert [process.wait(100) for process in running] == [0] * processes
    finally:
        for process in running:
            process.kill()
            process.wait()
    assert store.get(REF) == b"%d" % (processes * times)
    assert keys(store, "") == [REF, MARKER_KEY]
    store.close()
    open_store(url, default_settings(s3={"endpoint": endpoint})).close()
