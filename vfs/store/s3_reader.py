"""Ranged reads from S3 through presigned URLs and a plain HTTP client.

A `get_object` of boto3 costs 1.9 ms of CPU a request and holds the GIL for most of it; this costs a
quarter. A range is not part of the signature, so one URL serves all ranges of an object.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Protocol

import msgspec
import urllib3

from vfs.concurrency.deadline import Deadline
from vfs.store.s3_failures import Refusal, error_body, without_signatures

# Seconds. A URL is signed for the first and used for the second, so that clocks may differ and queues may form.
SIGNED_FOR = 3600
_USED_FOR = 600.0
# Packs in use at a time; a URL has about half a KiB.
_URLS = 2048
_PIECE = 1024 * 1024
# Seconds given to a request that has none left, so that it fails as one.
_LEAST = 0.001
# A whole object in place of a range, from a service that ignores Range: a pack and its margin.
_WHOLE_MAX = 128 * 1024 * 1024


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds for a connection to be made, and for the next byte to come."""

    connect: float
    read: float


class Signer(Protocol):
    """Who gives signed URLs."""

    @property
    def read_headers(self) -> Mapping[str, str]:
        """Headers to send with each."""

    def identity(self) -> str:
        """Changes when URLs signed before are of no more use."""

    def sign(self, key: str, seconds: int) -> str:
        """A URL that reads the object `key` for so many seconds."""


class _Signed(msgspec.Struct, frozen=True, gc=False):
    url: str
    time: float
    identity: str


class SignedReader:
    """Reads objects by key. Thread-safe: `_lock` guards the URLs, urllib3 its connections.

    A URL serves until it is ten minutes old or the credentials are others; credentials that expire are
    renewed by boto3 ten minutes before.
    """

    def __init__(self, signer: Signer, pool: urllib3.PoolManager, timeouts: Timeouts) -> None:
        self._signer = signer
        self._pool = pool
        self._timeouts = timeouts
        self._urls: OrderedDict[str, _Signed] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, start: int, length: int | None, deadline: Deadline) -> tuple[bytes, str]:
        """`length` bytes from `start` and the ETag as sent; one attempt, ended by the deadline.

        Refusal for an error answer, else exceptions of urllib3. A URL that is refused is signed anew
        once: credentials may have changed since.
        """
        url, fresh = self._url(key)
        try:
            return self._fetch(url, start, length, deadline)
        except Refusal as refusal:
            if fresh or refusal.status not in (400, 401, 403):
                raise
        with self._lock:
            self._urls.pop(key, None)
        return self._fetch(self._url(key)[0], start, length, deadline)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.clear()

    def _url(self, key: str) -> tuple[str, bool]:
        now, identity = time.monotonic(), self._signer.identity()
        with self._lock:
            found = self._urls.get(key)
            if found is not None and now - found.time < _USED_FOR and found.identity == identity:
                self._urls.move_to_end(key)
                return found.url, False
        url = self._signer.sign(key, SIGNED_FOR)
        with self._lock:
            self._urls[key] = _Signed(url, now, identity)
            if len(self._urls) > _URLS:
                self._urls.popitem(last=False)
        return url, True

    def _fetch(self, url: str, start: int, length: int | None, deadline: Deadline) -> tuple[bytes, str]:
        response = self._pool.request(
            "GET",
            url,
            headers={**_headers(start, length), **self._signer.read_headers},
            timeout=_timeout(deadline, self._timeouts),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            return _answer(response, start, length, deadline), response.headers.get("ETag", "")
        finally:
            # urllib3 took the connection back when the body was read to its end; one with a rest is closed.
            response.close()
            response.release_conn()


def _timeout(deadline: Deadline, timeouts: Timeouts) -> urllib3.Timeout:
    """What is left of the time, for each of the two; urllib3 takes 0, when none is, for a mistake."""
    connect, read = deadline.bound(timeouts.connect), deadline.bound(timeouts.read)
    return urllib3.Timeout(max(connect, _LEAST), max(read, _LEAST))


def _headers(start: int, length: int | None) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    if start or length is not None:
        headers["Range"] = f"bytes={start}-{'' if length is None else start + length - 1}"
    return headers


def _answer(response: urllib3.BaseHTTPResponse, start: int, length: int | None, deadline: Deadline) -> bytes:
    if response.status == 206:
        return _body(response, length, deadline)
    if response.status == 200:
        whole = _body(response, None, deadline)
        return whole[start : None if length is None else start + length]
    refusal = Refusal(response.status, error_body(response), date=response.headers.get("Date", ""))
    if response.status == 416:
        return b""
    raise refusal


def _body(response: urllib3.BaseHTTPResponse, length: int | None, deadline: Deadline) -> bytes:
    """The body, in pieces as they come: a service that drips bytes for ever meets the deadline."""
    limit = _WHOLE_MAX if length is None else length
    pieces: list[bytes] = []
    got = 0
    while piece := response.read1(_PIECE):
        pieces.append(piece)
        got += len(piece)
        if got > limit:
            raise urllib3.exceptions.ProtocolError(f"{got} bytes where {limit} at most were asked for")
        if deadline.passed:
            raise urllib3.exceptions.TimeoutError("the body came too slowly")
    return b"".join(pieces)


def _redact(record: logging.LogRecord) -> bool:
    """Take signatures out of what urllib3 says of an answer that it cannot read: it shows the URL."""
    record.msg, record.args = without_signatures(record.getMessage()), ()
    return True


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_redact)
