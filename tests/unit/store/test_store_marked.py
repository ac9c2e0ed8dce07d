"""The marker is read beside the first requests, and nothing is answered or written against it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from vfs.errors import Conflict, ObjectMissing, StoreFormat, StoreMissing, StoreTimeout
from vfs.store.compared import ComparedStore
from vfs.store.local import LocalStore
from vfs.store.marked import MarkedStore, marker_of
from vfs.store.marker import MARKER_KEY, Marker, ensure_marker
from vfs.store.memory import MemoryStore

MARKER = Marker(1, "00112233445566778899aabbccddeeff")


class Slow(MemoryStore):
    """Answers for the marker only once it is let."""

    def __init__(self) -> None:
        super().__init__("s3://slow")
        self.asked: list[str] = []
        self.let = threading.Event()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        self.asked.append(key)
        if key == MARKER_KEY and not self.let.wait(10):
            raise StoreTimeout("never let")
        return super().get(key, start=start, length=length)


def test_the_marker_and_the_first_object_are_asked_for_at_once() -> None:
    inner = Slow()
    marker = ensure_marker(MemoryStore())
    inner.put("a", b"x")
    inner.put(MARKER_KEY, b'{"format":1,"id":"' + marker.id.encode() + b'"}')
    store = MarkedStore(inner)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(store.get("a")))
    reader.start()
    while "a" not in inner.asked:
        reader.join(0.01)
    reader.join(0.05)
    assert got == []
    inner.let.set()
    reader.join(10)
    assert got == [b"x"]
    assert marker_of(store).id == marker.id
    assert sorted(inner.asked) == ["a", MARKER_KEY]


@pytest.mark.parametrize(
    ("marker", "error"), [(b"", StoreMissing), (b'{"format":2,"id":"00112233445566778899aabbccddeeff"}', StoreFormat)]
)
def test_what_is_wrong_with_the_marker_comes_before_all_else(marker: bytes, error: type[Exception]) -> None:
    inner = MemoryStore("s3://wrong")
    inner.put("there", b"x")
    if marker:
        inner.put(MARKER_KEY, marker)
    store = MarkedStore(inner)
    for call in (
        lambda: store.get("there"),
        lambda: store.get("absent"),
        lambda: store.get_version("there"),
        lambda: list(store.list("")),
        lambda: list(store.list("none")),
        lambda: store.put("new", b"x"),
        lambda: store.swap("new", b"x", expected=None),
        lambda: store.remove("there", expected="x"),
        lambda: store.delete("there"),
        lambda: marker_of(store),
    ):
        with pytest.raises(error):
            call()
    assert [info.key for info in inner.list("")] == sorted(["there", *([MARKER_KEY] if marker else [])])


def test_a_known_marker_is_not_read(tmp_path: Path) -> None:
    store = MarkedStore(LocalStore(tmp_path), MARKER)
    store.put("a", b"x")
    assert store.get("a") == b"x"
    with pytest.raises(ObjectMissing):
        store.get("b")
    assert marker_of(store) is MARKER


def test_refs_of_an_unsafe_store_are_compared(tmp_path: Path) -> None:
    class Unconditional(LocalStore):
        def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
            raise AssertionError("a conditional write")

    store = MarkedStore(Unconditional(tmp_path), Marker(1, MARKER.id, unsafe=True))
    first = store.swap("ref", b"one", expected=None)
    with pytest.raises(Conflict):
        store.swap("ref", b"two", expected=None)
    store.remove("ref", expected=store.swap("ref", b"two", expected=first))
    assert list(ComparedStore(LocalStore(tmp_path)).list("")) == []
