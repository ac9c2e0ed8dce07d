from __future__ import annotations

import pytest

from vfs.errors import StoreDenied, StoreError
from vfs.store.memory import MemoryStore
from vfs.store.probe import lack_of_conditions


class Careless(MemoryStore):
    """A service that takes conditions and does not look at them, as some do."""

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        self.put(key, data)
        return self.get_version(key)[1]


class Stubborn(MemoryStore):
    """A service that never finds a condition met."""

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        return super().swap(key, data, expected="never")


class Unknowing(MemoryStore):
    """A service that refuses conditions."""

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        raise StoreError("501")


class ReadOnly(Unknowing):
    """A service that takes nothing at all."""

    def put(self, key: str, data: bytes | bytearray | memoryview) -> None:
        raise StoreDenied("403")


@pytest.mark.parametrize(
    ("store", "lack"),
    [
        (MemoryStore(), ""),
        (Careless(), "the service ignores conditional writes"),
        (Stubborn(), "the service has no conditional writes that work: "),
        (Unknowing(), "the service has no conditional writes: 501"),
    ],
)
def test_what_a_service_lacks_is_found_out(store: MemoryStore, lack: str) -> None:
    found = lack_of_conditions(store)
    assert found.startswith(lack)
    assert bool(found) == bool(lack)
    assert list(store.list("")) == []


def test_a_service_that_takes_nothing_is_no_service_without_conditions() -> None:
    with pytest.raises(StoreError, match="501"):
        lack_of_conditions(ReadOnly())
