"""What a user types to name a store, taken apart: `file:///path`, a path, `s3://bucket/prefix`."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

import msgspec

from vfs.errors import UsageError

# Bucket names as S3 has them; prefixes as store keys, so that key and prefix together stay one.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*")
_PREFIX_MAX = 100


class FileURL(msgspec.Struct, frozen=True):
    """A local store: an absolute path."""

    path: str


class S3URL(msgspec.Struct, frozen=True):
    """A store in a bucket; `prefix` has no outer slashes and may be empty."""

    bucket: str
    prefix: str


def parse_url(url: str) -> FileURL | S3URL:
    """`url` taken apart; UsageError for what names no store."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return _file(url, url)
    if scheme == "file":
        return _file(url, unquote(rest.removeprefix("localhost")))
    if scheme == "s3":
        return _s3(url, rest)
    raise UsageError(f"{url}: not a store; expected file:///path, a path, or s3://bucket/prefix")


def _file(url: str, path: str) -> FileURL:
    if "\0" in path or not path:
        raise UsageError(f"{url!r}: not a store; the path is empty or holds a NUL")
    if "://" in url and not path.startswith("/"):
        raise UsageError(f"{url}: not a store; the path of a file:// URL starts with a slash")
    return FileURL(os.path.abspath(os.path.expanduser(path)))


def _s3(url: str, rest: str) -> S3URL:
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.strip("/")
    if not _BUCKET.fullmatch(bucket):
        raise UsageError(f"{url}: not a store; '{bucket}' is not the name of a bucket")
    if prefix and (len(prefix) > _PREFIX_MAX or not _PREFIX.fullmatch(prefix)):
        raise UsageError(f"{url}: not a store; a prefix holds letters, digits and . _ - + only, at most 100")
    return S3URL(bucket, prefix)
