"""Sends events to a service by HTTP: in order, with deadlines and a bounded number of tries.

An attempt runs in a thread of its own, as a peer that sends a byte a second would outwit every timeout of a socket.
Redirects are not followed: neither events nor the key go where the user did not say.
"""

from __future__ import annotations

import functools
import http.client
import ipaddress
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any
from urllib.parse import SplitResult, urlsplit

from vfs import __version__
from vfs.errors import Refused, ServiceError, UsageError
from vfs.journal.render import words

KEY_VARIABLE = "OPENLINEAGE_API_KEY"
# Where the services that take such events listen, when the URL names no path.
_PATH = "/api/v1/lineage"
# Seconds for one attempt, and before each further one.
TIMEOUT = 10.0
WAITS = (0.5, 1.0, 2.0)
# What may be better in a moment: too early, too many requests, and all that is the service's own fault.
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Again(Exception):
    """An attempt failed in a way that another one may not."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str) -> None:
        """Never another request: the answer becomes an error."""
        return


def post_events(url: str, events: Iterable[dict[str, Any]], *, timeout: float = TIMEOUT) -> int:
    """Send each event as a JSON document by POST; how many there were.

    `url`: http or https; without a path, `/api/v1/lineage` is added. The variable OPENLINEAGE_API_KEY, if set, is sent
    as a bearer token, by https or to this machine only. `timeout`: seconds for an attempt, of which there are four.
    UsageError for a URL that cannot be used, Refused for a key over http, ServiceError when the service does not take
    an event: those before it were taken.
    """
    target, headers, opener = check_url(url), _headers(url), _opener(url)
    sent = 0
    for event in events:
        data = json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")
        request = urllib.request.Request(target, data=data, headers=headers, method="POST")
        try:
            _tried(functools.partial(_attempt, opener, request, timeout), timeout)
        except _Again as error:
            raise ServiceError(f"{_shown(url)}: {error}, {1 + len(WAITS)} times; {_so_far(sent)}") from error
        except ServiceError as error:
            raise ServiceError(f"{_shown(url)}: {error}; {_so_far(sent)}") from error
        sent += 1
    return sent


def _opener(url: str) -> urllib.request.OpenerDirector:
    """What opens the URL: by the proxy of the environment, but never for this machine, which no proxy means."""
    here = _is_here(urlsplit(url).hostname or "")
    return urllib.request.build_opener(_NoRedirect, *([urllib.request.ProxyHandler({})] if here else []))


def _so_far(sent: int) -> str:
    return f"{sent} events were taken before" if sent else "no event was taken"


def _shown(url: str) -> str:
    """The URL in a message, without what could be a secret."""
    return words.cut(words.plain(url.partition("?")[0]), 200)


def check_url(url: str) -> str:
    """The URL that events for `url` are sent to; UsageError when it cannot be used."""
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{_shown(url)}: not a URL of http or https")
    if "@" in parts.netloc:
        raise UsageError(f"--post: a URL with a user or password; put the key into {KEY_VARIABLE}")
    path = parts.path if parts.path.strip("/") else _PATH
    return SplitResult(parts.scheme, parts.netloc, path, parts.query, "").geturl()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"{_shown(url)}: not a URL: {error}") from error
    if any(not "!" <= letter <= "~" for letter in url):
        raise UsageError(f"{_shown(url)}: not a URL: it holds a blank or a letter that has to be percent-encoded")
    return parts


def _headers(url: str) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": f"vfs/{__version__}"}
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        return headers
    if not all("!" <= letter <= "~" for letter in key):
        raise UsageError(f"{KEY_VARIABLE}: not a key: it holds a blank, a line end or a letter that is not ASCII")
    parts = urlsplit(url)
    if parts.scheme != "https" and not _is_here(parts.hostname or ""):
        raise Refused(f"{_shown(url)}: the key of {KEY_VARIABLE} is sent by https only")
    return {**headers, "Authorization": f"Bearer {key}"}


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _tried(attempt: Callable[[], None], timeout: float) -> None:
    """The attempt, and again after each wait while it fails in a way that passes."""
    for wait in WAITS:
        try:
            return _within(timeout, attempt)
        except _Again:
            time.sleep(wait)
    return _within(timeout, attempt)


def _within(timeout: float, attempt: Callable[[], None]) -> None:
    """The attempt, or _Again when it is not over in time; what it raises is raised here."""
    outcome: SimpleQueue[BaseException | None] = SimpleQueue()

    def run() -> None:
        try:
            attempt()
            outcome.put(None)
        except BaseException as error:
            outcome.put(error)

    Thread(target=run, daemon=True).start()
    try:
        error = outcome.get(timeout=timeout)
    except Empty:
        raise _Again(f"no answer within {timeout:g} s") from None
    if error is not None:
        raise error


def _attempt(opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float) -> None:
    try:
        # The body of the answer is not needed: that it was taken is in the status.
        opener.open(request, timeout=timeout).close()
    except urllib.error.HTTPError as error:
        error.close()
        raise _refusal(error) from error
    except urllib.error.URLError as error:
        raise _lost(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _lost(error) from error


def _refusal(error: urllib.error.HTTPError) -> Exception:
    said = f"answered {error.code} {words.cut(words.plain(str(error.reason)), 100)}".rstrip()
    if error.code in _AGAIN:
        return _Again(said)
    if 300 <= error.code < 400:
        return ServiceError(f"{said}, a redirect, which is not followed")
    return ServiceError(said)


def _lost(reason: object) -> Exception:
    """What a failed connection means: a certificate does not become right by trying again."""
    import ssl

    cause = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    if isinstance(reason, ssl.SSLCertVerificationError):
        return ServiceError(f"its certificate is not trusted: {words.plain(reason.verify_message)}")
    if isinstance(reason, TimeoutError):
        return _Again("no answer in time")
    return _Again(words.cut(words.plain(cause[:1].lower() + cause[1:]), 200))
