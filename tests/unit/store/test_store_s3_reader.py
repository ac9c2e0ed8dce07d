"""Reads by signed URL: what becomes of one whose time is up."""

from __future__ import annotations

import socket

import pytest
import urllib3

from vfs.concurrency.deadline import Deadline
from vfs.store.s3_reader import SignedReader, Timeouts


class Silent:
    """Signs for a service that takes connections and never says a word."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.read_headers: dict[str, str] = {}

    def identity(self) -> str:
        """Always the same."""
        return "nobody"

    def sign(self, key: str, seconds: int) -> str:
        """A URL with no signature."""
        return f"http://127.0.0.1:{self._port}/{key}"


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_a_read_with_no_time_left_is_one_that_took_too_long(seconds: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service, urllib3.PoolManager() as pool:
        reader = SignedReader(Silent(service.getsockname()[1]), pool, Timeouts(3.0, 3.0))
        with pytest.raises(urllib3.exceptions.TimeoutError):
            reader.get("packs/some", 0, 10, Deadline(seconds))
