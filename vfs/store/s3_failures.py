"""What the answers of an S3 service mean, by HTTP status and error code."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

import urllib3
import urllib3.exceptions as u3

from vfs.errors import ObjectMissing, StoreDenied, StoreError, StoreFull, StoreMissing, StoreThrottled, StoreTimeout
from vfs.store.retry import Failure

_MISSING = frozenset({"NoSuchKey", "NotFound", "NoSuchVersion"})
_NO_BUCKET = frozenset({"NoSuchBucket"})
_FULL = frozenset({"QuotaExceeded", "XMinioStorageFull", "StorageFull", "InsufficientCapacity"})
_DENIED = frozenset({
    "AccessDenied", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed", "ExpiredToken",
    "InvalidAccessKeyId", "InvalidToken", "RequestTimeTooSkewed", "SignatureDoesNotMatch", "TokenRefreshRequired",
})  # fmt: skip
# Answers of a service that is busy or in trouble; the same request may succeed a moment later.
_TRANSIENT_CODES = frozenset({
    "ConditionalRequestConflict", "InternalError", "OperationAborted", "RequestTimeout", "ServiceUnavailable",
})  # fmt: skip
_THROTTLED_CODES = frozenset({"SlowDown", "Throttling", "ThrottlingException", "TooManyRequests"})
_TRANSIENT_STATUS = frozenset({408, 425, 500, 502, 503, 504})
# Seconds that a clock may be off before it is named as the likely cause of a refusal; services allow 900.
_SKEW = 300.0
# What lets another act for us, in the URL of a signed request.
_SIGNED = re.compile(r"(?i)(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s'\")]+")
_ELEMENT = re.compile(rb"<(Code|Message)>([^<]{0,300})</")


class Refusal(Exception):
    """An answer with an error status, read by our own HTTP client."""

    def __init__(self, status: int, body: bytes, *, date: str = "") -> None:
        """`body` is the start of the answer, XML with Code and Message where the service keeps to S3.

        `date` is the time at the service, as its header has it.
        """
        found = {name: value.decode("utf-8", "replace") for name, value in _ELEMENT.findall(body)}
        self.status = status
        self.code = found.get(b"Code", "")
        self.message = found.get(b"Message", "")
        self.date = date
        super().__init__(f"{status} {self.code}")


def http_failure(status: int, code: str, message: str, *, date: str = "") -> Failure:
    """The meaning of an error answer; `date` is the time at the service, as its header has it."""
    if code in _NO_BUCKET:
        return Failure(StoreMissing, "no such bucket")
    if code in _THROTTLED_CODES or status == 429:
        return Failure(StoreThrottled, f"the service answers {_shown(status, code, message)}", transient=True)
    if code in _TRANSIENT_CODES or status in _TRANSIENT_STATUS:
        return Failure(StoreTimeout, f"the service answers {_shown(status, code, message)}", transient=True)
    if code in _FULL or status == 507:
        return Failure(StoreFull, f"no room left: {_shown(status, code, message)}")
    if code in _DENIED or status in (401, 403):
        return Failure(StoreDenied, f"{_clock(code, date)}refused: {_shown(status, code, message)}")
    if code in _MISSING or (status == 404 and not code.startswith("NoSuch")):
        return Failure(ObjectMissing, "no such object")
    if status in (301, 307, 308):
        return Failure(StoreError, f"the bucket is in another region, set s3.region: {_shown(status, code, message)}")
    return Failure(StoreError, f"the service answers {_shown(status, code, message)}")


def transport_failure(error: Exception) -> Failure | None:
    """The meaning of an exception of urllib3 or of a socket; None when it is neither."""
    if isinstance(error, Refusal):
        return http_failure(error.status, error.code, error.message, date=error.date)
    if isinstance(error, u3.NewConnectionError | u3.NameResolutionError):
        return Failure(StoreTimeout, f"no connection: {one_line(error)}", transient=True, unreachable=True)
    if isinstance(error, u3.SSLError):
        return Failure(StoreError, f"no secure connection: {one_line(error)}")
    if isinstance(error, u3.TimeoutError):
        return Failure(StoreTimeout, "no answer in time", transient=True)
    if isinstance(error, u3.HTTPError | OSError):
        return Failure(StoreTimeout, f"the connection broke: {one_line(error)}", transient=True)
    return None


def one_line(error: Exception) -> str:
    """The text of `error` without line breaks, signatures, object addresses and a capital at the start."""
    text = without_signatures(" ".join(str(error).split()))
    text = re.sub(r"<[^<>]* object at 0x[0-9a-f]+>:? ?", "", text)
    text = re.sub(r"^(?:HTTPS?Connection(?:Pool)?)\([^)]*\): ", "", text)
    return text[:1].lower() + text[1:]


def without_signatures(text: str) -> str:
    """`text` without what signs the URLs in it."""
    return _SIGNED.sub(r"\1…", text)


def error_body(response: urllib3.BaseHTTPResponse) -> bytes:
    """The first 16 KiB of an error answer: its code and message are within."""
    return response.read(16 * 1024)


def _clock(code: str, date: str) -> str:
    """What to say first of a refusal when the clocks differ: nothing else would help then."""
    try:
        off = time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        off = 0.0
    if abs(off) > _SKEW:
        way = "ahead of" if off > 0 else "behind"
        return f"the clock of this host is {abs(off) / 60:.0f} min {way} that of the service: "
    return "the clock of this host is off: " if code == "RequestTimeTooSkewed" else ""


def _shown(status: int, code: str, message: str) -> str:
    text = f"{status} {code}".strip()
    return f"{text}: {' '.join(message.split())[:200].rstrip('.')}" if message else text
