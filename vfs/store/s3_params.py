"""What the settings add to requests, whatever the request: who pays, what objects are encrypted with."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from vfs.config.settings import S3Settings

# The header that a signed URL of a bucket whose requesters pay wants beside it.
PAYER_HEADER = "x-amz-request-payer"
_PAYER = "requester"


def added_params(s3: S3Settings, known: Collection[str]) -> dict[str, str]:
    """Parameters by boto3's names for an operation that takes those in `known`."""
    params = {
        "RequestPayer": _PAYER if s3.requester_pays else "",
        "ServerSideEncryption": s3.encryption,
        "SSEKMSKeyId": s3.kms_key,
    }
    return {name: value for name, value in params.items() if value and name in known}


def read_headers(s3: S3Settings) -> Mapping[str, str]:
    """Headers that signed URLs are signed with and have to be sent with them."""
    return {PAYER_HEADER: _PAYER} if s3.requester_pays else {}
