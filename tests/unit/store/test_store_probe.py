from __future__ import annotations

import pytest

from vfs.errors import StoreError
from vfs.store.memory import MemoryStore
from vfs.store.probe import check_conditional_writes


class Careless(MemoryStore):
    """A service that takes conditions and does not look at them, as some do."""

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        self.put(key, data)
        return self.get_version(key)[1]


class Stubborn(MemoryStore):
    """A service that never finds a condition met."""

    def swap(self, key: str, data: bytes, *, expected: str | None) -> str:
        return super().swap(key, data, expected="never")


def test_a_service_that_ignores_conditions_is_refused() -> None:
    store = Careless("s3://careless")
    with pytest.raises(StoreError, match=r"^s3://careless: the service ignores conditional writes"):
        check_conditional_writes(store)
    assert list(store.list("")) == []


def test_a_service_that_meets_no_condition_is_refused() -> None:
    store = Stubborn("s3://stubborn")
    with pytest.raises(StoreError, match=r"^s3://stubborn: the service has no conditional writes that work"):
        check_conditional_writes(store)
    assert list(store.list("")) == []
