"""Identities: BLAKE3-256 digests as 32 raw bytes, shown as 64 hex digits."""

from __future__ import annotations

from typing import TypeAlias

from blake3 import blake3

from vfs.errors import Corrupt

Digest: TypeAlias = bytes
DIGEST_SIZE = 32
PACK_ID_SIZE = 16
# As many hex digits as `git log --oneline` shows at a million objects, and then some.
SHORT = 12


def digest_of(data: bytes | bytearray | memoryview) -> Digest:
    """BLAKE3-256 of `data`: the figure `b3sum` prints, as raw bytes."""
    return blake3(data).digest()


def short(digest: Digest) -> str:
    """The first 12 hex digits, for people."""
    return digest.hex()[:SHORT]


def check_digest(digest: bytes, what: str) -> Digest:
    """`digest` if it has the length of one, else `Corrupt` naming `what`."""
    if len(digest) != DIGEST_SIZE:
        raise Corrupt(f"{what}: digest of {len(digest)} bytes, 32 expected")
    return digest
