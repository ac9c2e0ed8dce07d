"""Which keys and values a store takes, the same for every kind of store."""

from __future__ import annotations

import re

from vfs.errors import UsageError
from vfs.model.ids import digest_of

# S3 allows 1,024 bytes of key; a prefix within the bucket needs some of them.
KEY_MAX = 900
# A part that starts with a dot is never a key: `.`, `..`, temporary files and the lock of a local store.
_PART = r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,254}"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(rf"(?:{_PART}/)*(?:{_PART})?")


def is_key(text: str) -> bool:
    """Whether `text` can name an object. Listings leave out what others put beside our objects."""
    return len(text) <= KEY_MAX and _KEY.fullmatch(text) is not None


def check_key(key: str) -> str:
    """`key` if it can name an object, else UsageError; what passes cannot lead out of a directory."""
    if not is_key(key):
        raise UsageError(f"{key[:80]!r}: not a store key")
    return key


def check_prefix(prefix: str) -> str:
    """`prefix` if it can start a key (the empty one starts all), else UsageError."""
    if len(prefix) > KEY_MAX or not _PREFIX.fullmatch(prefix):
        raise UsageError(f"{prefix[:80]!r}: not a prefix of store keys")
    return prefix


def check_folder(prefix: str) -> str:
    """`prefix` if it is empty or ends with a slash and can start a key, else UsageError."""
    if prefix and not prefix.endswith("/"):
        raise UsageError(f"{prefix[:80]!r}: not the whole of a part of store keys, which ends with a slash")
    return check_prefix(prefix)


def check_data(key: str, data: bytes | bytearray | memoryview) -> None:
    """UsageError for an empty object: on S3 that is how a removed ref looks, so no store takes one."""
    if not len(data):
        raise UsageError(f"{key}: an object cannot be empty")


def check_range(key: str, start: int, length: int | None) -> None:
    """UsageError for a negative start or length."""
    if start < 0 or (length is not None and length < 0):
        raise UsageError(f"{key}: bytes {start}+{length}: not a range")


def content_version(data: bytes) -> str:
    """The version token of a ref whose store has none of its own: the digest of its content."""
    return digest_of(data).hex()
