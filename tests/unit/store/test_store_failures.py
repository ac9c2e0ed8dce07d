"""What answers of S3 services mean."""

from __future__ import annotations

import pytest
import urllib3

from vfs.errors import ObjectMissing, StoreDenied, StoreError, StoreFull, StoreMissing, StoreThrottled, StoreTimeout
from vfs.store.s3_failures import Refusal, http_failure, transport_failure


@pytest.mark.parametrize(
    ("status", "code", "error", "transient"),
    [
        (404, "NoSuchKey", ObjectMissing, False),
        (404, "", ObjectMissing, False),
        (404, "NoSuchBucket", StoreMissing, False),
        (404, "NoSuchUpload", StoreError, False),
        (403, "AccessDenied", StoreDenied, False),
        (403, "", StoreDenied, False),
        (401, "", StoreDenied, False),
        (403, "RequestTimeTooSkewed", StoreDenied, False),
        (400, "ExpiredToken", StoreDenied, False),
        (403, "QuotaExceeded", StoreFull, False),
        (507, "XMinioStorageFull", StoreFull, False),
        (503, "SlowDown", StoreThrottled, True),
        (429, "", StoreThrottled, True),
        (500, "InternalError", StoreTimeout, True),
        (400, "RequestTimeout", StoreTimeout, True),
        (409, "ConditionalRequestConflict", StoreTimeout, True),
        (301, "PermanentRedirect", StoreError, False),
        (400, "InvalidArgument", StoreError, False),
        (501, "NotImplemented", StoreError, False),
    ],
)
def test_an_answer_is_understood(status: int, code: str, error: type[Exception], transient: bool) -> None:
    failure = http_failure(status, code, "Some words.\nMore")
    assert (failure.error, failure.transient) == (error, transient)
    assert "\n" not in failure.cause


def test_the_code_and_the_message_are_read_from_the_body() -> None:
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>No way.</Message></Error>"
    failure = transport_failure(Refusal(403, body))
    assert failure is not None
    assert failure.cause == "refused: 403 AccessDenied: No way"


@pytest.mark.parametrize(
    "body", [b"", b"<html>busy", b"<Code>", b"\xff" * 1000, b"<Code>" + b"x" * 10_000 + b"</Code>"]
)
def test_a_body_that_is_none_of_s3_is_no_obstacle(body: bytes) -> None:
    failure = transport_failure(Refusal(503, body))
    assert failure is not None
    assert failure.transient


def test_transport_errors_are_passing_and_certificates_are_not() -> None:
    for error in (
        urllib3.exceptions.ProtocolError("Connection broken"),
        urllib3.exceptions.IncompleteRead(10, 20),
        urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("h"), "/", "Read timed out."),
        ConnectionResetError(104, "Connection reset by peer"),
    ):
        failure = transport_failure(error)
        assert failure is not None
        assert (failure.error, failure.transient, failure.unreachable) == (StoreTimeout, True, False)
    refused = transport_failure(urllib3.exceptions.NewConnectionError(urllib3.HTTPConnectionPool("h"), "refused"))
    assert refused is not None
    assert refused.unreachable
    certificate = transport_failure(urllib3.exceptions.SSLError("certificate verify failed"))
    assert certificate is not None
    assert not certificate.transient
    assert transport_failure(ValueError("ours")) is None
