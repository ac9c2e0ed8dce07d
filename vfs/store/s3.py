"""One bucket as boto3 reaches it: the only module that knows what the exceptions of boto3 mean.

Each method is one kind of request, repeated within a deadline, its errors translated. Keys here are whole
keys of the bucket.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.exceptions as be
import msgspec
import urllib3
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from vfs.config.settings import S3Settings
from vfs.errors import ObjectMissing, StoreDenied, StoreError, StoreTimeout
from vfs.store.protocol import ObjectInfo
from vfs.store.retry import Attempt, Failure, Patience, persist
from vfs.store.s3_failures import http_failure, one_line, transport_failure
from vfs.store.s3_params import read_headers
from vfs.store.s3_reader import Timeouts
from vfs.store.s3_session import CONNECTIONS, Session

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

R = TypeVar("R")

# Seconds. A service that sends nothing for this long is asked again; several attempts must fit into the deadline.
_CONNECT_TIMEOUT = 5.0
_READ_TIMEOUT = 15.0
_ATTEMPTS = 4
# Seconds to wait for a service that never answered yet: a mistyped endpoint should not look like a slow one.
_UNREACHABLE = 10.0
# Metadata of an object that a conditional write made.
_MARK = "vfs-write"
# Seconds that credentials which were refused are held on to before others are looked for.
_RENEW_AFTER = 10.0


class Head(msgspec.Struct, frozen=True):
    """An object without its content: the ETag as the service sent it, and the mark of a conditional write."""

    etag: str
    size: int
    mark: str


class Unmet(Exception):
    """A condition was not met. An object that carries `mark` was written by this very call all the same."""

    def __init__(self, mark: str) -> None:
        """Raised by `put_if` only."""
        self.mark = mark
        super().__init__()


class Bucket:
    """Requests to one bucket. Thread-safe as boto3 clients are; `reached` only ever turns true.

    Credentials that are refused are looked for anew, since what is in a file may have been replaced meanwhile:
    `_lock` guards the change to another session.
    """

    def __init__(self, name: str, settings: S3Settings, *, timeout: float) -> None:
        """`timeout`: seconds for one request with all its attempts; a last attempt may take a quarter more."""
        self.name = name
        self.reached = False
        self.timeouts = Timeouts(min(_CONNECT_TIMEOUT, timeout / _ATTEMPTS), min(_READ_TIMEOUT, timeout / _ATTEMPTS))
        self._settings = settings
        self._session = Session(name, settings, self.timeouts)
        self._lock = threading.Lock()
        self._timeout = timeout

    @property
    def _client(self) -> S3Client:
        return self._session.client

    def persist(self, what: str, call: Callable[[Attempt], R]) -> R:
        """`call`, repeated after transient failures; `what` is the subject of the error ("… cannot be read")."""
        session = self._session
        try:
            return self._persist(what, call)
        except StoreDenied:
            if not self._renewed(session):
                raise
        return self._persist(what, call)

    def _persist(self, what: str, call: Callable[[Attempt], R]) -> R:
        patience = Patience(self._timeout, self._timeout if self.reached else _UNREACHABLE)
        result = persist(call, _failure, what=f"s3://{self.name}/{what}", patience=patience)
        self.reached = True
        return result

    def _renewed(self, refused: Session) -> bool:
        """Whether there are other credentials than those of `refused`, which are in use from now on."""
        with self._lock:
            if self._session is not refused:
                return True
            if self._settings.anonymous or time.monotonic() - refused.made < _RENEW_AFTER:
                return False
            session = Session(self.name, self._settings, self.timeouts)
            try:
                if session.identity() == refused.identity():
                    refused.made = session.made
                    return False
            except be.BotoCoreError:
                return False
            self._session = session
            return True

    def pool(self) -> urllib3.PoolManager:
        """Connections for signed URLs, with the proxies and certificates that boto3 takes from the environment."""
        endpoint = self._client.meta.endpoint_url
        proxy = get_environ_proxies(endpoint).get(endpoint.partition(":")[0])
        if proxy:
            return urllib3.ProxyManager(proxy, maxsize=CONNECTIONS, ca_certs=get_cert_path(True))
        return urllib3.PoolManager(maxsize=CONNECTIONS, ca_certs=get_cert_path(True))

    @property
    def read_headers(self) -> Mapping[str, str]:
        """Headers that have to be sent with a signed URL."""
        return read_headers(self._settings)

    def identity(self) -> str:
        """Differs once the credentials do: URLs signed with those before are of no more use."""
        return self._session.identity()

    def sign(self, key: str, seconds: int) -> str:
        """A URL that reads the object `key` for so many seconds."""
        params = {"Bucket": self.name, "Key": key}
        return self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)

    def put(self, key: str, body: bytes) -> None:
        """Write an object in one request."""
        self.persist(
            f"{key}: cannot be written", lambda _: self._client.put_object(Bucket=self.name, Key=key, Body=body)
        )

    def put_if(self, key: str, body: bytes, match: str | None) -> str:
        """Write an object if its ETag is `match` (None: if it does not exist); the new ETag. Unmet otherwise.

        The object is marked with a number of this call: when an answer is lost and the next attempt finds the
        condition no longer met, the mark tells our write from that of somebody who wrote the same bytes.
        """
        mark = os.urandom(16).hex()
        condition: Any = {"IfNoneMatch": "*"} if match is None else {"IfMatch": match}

        def send(_: Attempt) -> str:
            try:
                return self._client.put_object(
                    Bucket=self.name, Key=key, Body=body, Metadata={_MARK: mark}, **condition
                )["ETag"]
            except be.ClientError as error:
                if _status(error) == 412 or _code(error) == "NoSuchKey":
                    raise Unmet(mark) from error
                raise

        return self.persist(f"{key}: cannot be written", send)

    def head(self, key: str) -> Head | None:
        """What HEAD says of an object; None when there is none."""
        try:
            found = self.persist(
                f"{key}: cannot be read", lambda _: self._client.head_object(Bucket=self.name, Key=key)
            )
        except ObjectMissing:
            return None
        return Head(found["ETag"], found["ContentLength"], found["Metadata"].get(_MARK, ""))

    def delete(self, key: str) -> None:
        """Remove an object; an absent one is no error."""
        self.persist(f"{key}: cannot be removed", lambda _: self._client.delete_object(Bucket=self.name, Key=key))

    def page(self, prefix: str, after: str) -> tuple[list[ObjectInfo], bool]:
        """Up to 1,000 objects whose key starts with `prefix`, from behind the key `after`; whether there are more."""
        answer = self.persist(
            f"{prefix}: cannot be listed",
            lambda _: self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, StartAfter=after),
        )
        page = [
            ObjectInfo(found["Key"], found["Size"], int(found["LastModified"].timestamp() * 1000) * 1_000_000)
            for found in answer.get("Contents", [])
        ]
        return page, answer["IsTruncated"]

    def names(self, prefix: str, token: str) -> tuple[list[str], str]:
        """Up to 1,000 keys, and starts of keys with their slash, one level below `prefix`; the token for the next ones.

        `token`: the one the call before gave, "" to begin; "" comes back with the last. Empty objects are left out.
        """
        onwards: Any = {"ContinuationToken": token} if token else {}
        answer = self.persist(
            f"{prefix}: cannot be listed",
            lambda _: self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, Delimiter="/", **onwards),
        )
        keys = [found["Key"] for found in answer.get("Contents", []) if found["Size"]]
        folders = [found["Prefix"] for found in answer.get("CommonPrefixes", [])]
        return sorted(keys + folders), answer.get("NextContinuationToken", "")

    def begin_upload(self, key: str) -> str:
        """Begin an upload in parts; its id."""
        answer = self.persist(
            f"{key}: cannot be written", lambda _: self._client.create_multipart_upload(Bucket=self.name, Key=key)
        )
        return answer["UploadId"]

    def put_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """Send part `number`, from 1; its ETag."""
        answer = self.persist(
            f"{key}: cannot be written",
            lambda _: self._client.upload_part(
                Bucket=self.name, Key=key, UploadId=upload, PartNumber=number, Body=body
            ),
        )
        return answer["ETag"]

    def end_upload(self, key: str, upload: str, etags: Sequence[str], size: int) -> None:
        """Make the parts, together `size` bytes, the object `key`."""

        def send(attempt: Attempt) -> None:
            try:
                self._client.complete_multipart_upload(
                    Bucket=self.name,
                    Key=key,
                    UploadId=upload,
                    MultipartUpload={"Parts": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]},
                )
            except be.ClientError as error:
                if _code(error) != "NoSuchUpload":
                    raise
                # When the answer to an attempt that did succeed was lost, the object is there.
                found = self._client.head_object(Bucket=self.name, Key=key) if attempt.number else None
                if found is None or found["ContentLength"] != size:
                    raise

        self.persist(f"{key}: cannot be written", send)

    def drop_upload(self, key: str, upload: str) -> None:
        """Forget an upload and its parts."""

        def send(_: Attempt) -> None:
            try:
                self._client.abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload)
            except be.ClientError as error:
                if _code(error) != "NoSuchUpload":
                    raise

        self.persist(f"{key}: upload cannot be dropped", send)

    def uploads(self, prefix: str) -> list[tuple[str, str, float]]:
        """Key, id and age in seconds of up to 1,000 uploads in parts that were begun and not ended."""
        answer = self.persist(
            f"{prefix}: uploads cannot be listed",
            lambda _: self._client.list_multipart_uploads(Bucket=self.name, Prefix=prefix),
        )
        now = datetime.now(UTC)
        return [(u["Key"], u["UploadId"], (now - u["Initiated"]).total_seconds()) for u in answer.get("Uploads", [])]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _failure(error: Exception) -> Failure | None:
    if isinstance(error, be.ClientError):
        message = error.response.get("Error", {}).get("Message") or ""
        return http_failure(_status(error), _code(error), message, date=_date(error))
    if isinstance(error, be.NoCredentialsError | be.PartialCredentialsError | be.CredentialRetrievalError):
        return Failure(StoreDenied, f"no credentials: {one_line(error)}")
    if isinstance(error, be.EndpointConnectionError):
        return Failure(StoreTimeout, f"no connection: {one_line(error)}", transient=True, unreachable=True)
    if isinstance(error, be.SSLError | be.InvalidProxiesConfigError):
        return Failure(StoreError, one_line(error))
    if isinstance(error, be.HTTPClientError | be.IncompleteReadError):
        return Failure(StoreTimeout, one_line(error), transient=True)
    if isinstance(error, be.BotoCoreError):
        return Failure(StoreError, one_line(error))
    return transport_failure(error)


def _status(error: be.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _date(error: be.ClientError) -> str:
    return str(error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", ""))


def _code(error: be.ClientError) -> str:
    # HEAD has no body, so botocore puts the status there; an empty code comes as None.
    code = error.response.get("Error", {}).get("Code") or ""
    return "" if re.fullmatch(r"\d+", code) else code
