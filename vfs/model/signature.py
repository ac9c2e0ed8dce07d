"""Signatures of commits: which bytes are signed, and the object that holds a signature. No I/O, no cryptography."""

from __future__ import annotations

import struct

import msgspec

from vfs.errors import Corrupt
from vfs.model.ids import Digest
from vfs.model.publickey import KEY_SIZE, key_id
from vfs.model.wire import decode

SIGNATURE_FORMAT = 1
ALGORITHM = "ed25519"
# The object of today takes about 150 bytes; what is larger is nobody's signature.
SIGNATURE_MAX = 4096
_TAG = "vfs-signature"
_DOMAIN = b"vfs-commit-signature-1\0"
_SIGNATURE_SIZE = 64
_INT64 = range(-(1 << 63), 1 << 63)


class Signature(msgspec.Struct, frozen=True):
    """A signature by the owner of `key` (a public key), made at `time_ns` by the signer's own clock."""

    key: bytes
    time_ns: int
    signature: bytes

    @property
    def key_id(self) -> str:
        """The id of the key."""
        return key_id(self.key)


class _Object(msgspec.Struct, frozen=True, array_like=True):
    tag: str
    format: int
    algorithm: str
    key: bytes
    time_ns: int
    signature: bytes


_decoder = msgspec.msgpack.Decoder(_Object)


def signed_bytes(repo: str, commit: Digest, *, time_ns: int) -> bytes:
    """What is signed: a tag that no other use of the key has, u8 length of repo, repo, commit id, i64le time."""
    name = repo.encode("ascii")
    return b"".join((_DOMAIN, bytes((len(name),)), name, commit, struct.pack("<q", time_ns)))


def encode_signature(signature: Signature) -> bytes:
    """The object that holds `signature`."""
    held = _Object(_TAG, SIGNATURE_FORMAT, ALGORITHM, signature.key, signature.time_ns, signature.signature)
    return msgspec.msgpack.encode(held)


def decode_signature(data: bytes, what: str) -> Signature:
    """The signature in an object, whose content is still to be checked; Corrupt naming `what` when there is none."""
    if len(data) > SIGNATURE_MAX:
        raise Corrupt(f"{what}: over {SIGNATURE_MAX} bytes, no signature is that long")
    held = decode(_decoder, data, what=what)
    if held.tag != _TAG:
        raise Corrupt(f"{what}: not a signature")
    if held.format != SIGNATURE_FORMAT:
        raise Corrupt(f"{what}: of format {held.format}, this version knows {SIGNATURE_FORMAT}")
    if held.algorithm != ALGORITHM:
        raise Corrupt(f"{what}: by algorithm {held.algorithm[:40]!r}, this version knows {ALGORITHM}")
    if len(held.key) != KEY_SIZE or len(held.signature) != _SIGNATURE_SIZE or held.time_ns not in _INT64:
        raise Corrupt(f"{what}: a key, signature or time of the wrong size")
    return Signature(held.key, held.time_ns, held.signature)
