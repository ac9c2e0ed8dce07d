"""The hash chain: what each record commits to."""

from __future__ import annotations

import struct

import msgspec
from blake3 import blake3

from vfs.model.ids import DIGEST_SIZE, Digest

# What the first record has for a predecessor.
ORIGIN: Digest = bytes(DIGEST_SIZE)
_FIXED = struct.Struct("<QqB")
# What a forged record may hold and no chain: numbers beyond the fields that are hashed.
_NUMBERS, _TIMES = range(1 << 64), range(-(1 << 63), 1 << 63)


class Record(msgspec.Struct, frozen=True):
    """One record as stored. `time_ns` is a wall clock and may jump; `seq` alone gives the order."""

    seq: int
    time_ns: int
    kind: str
    body: bytes
    previous: Digest
    hash: Digest

    def intact(self) -> bool:
        """True when the record hashes to what it says, given the predecessor it names."""
        if self.seq not in _NUMBERS or self.time_ns not in _TIMES:
            return False
        return chain_hash(self.previous, self.seq, self.time_ns, self.kind, self.body) == self.hash


def chain_hash(previous: Digest, seq: int, time_ns: int, kind: str, body: bytes) -> Digest:
    """BLAKE3 over the previous hash, u64le seq, i64le time, u8 length of kind, kind, body."""
    name = kind.encode("utf-8", "surrogateescape")
    return blake3(b"".join((previous, _FIXED.pack(seq, time_ns, len(name) & 0xFF), name, body))).digest()
