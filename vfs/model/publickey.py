"""Public keys: their short line of text, and the id that names one. No I/O, no cryptography."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from vfs.errors import UsageError
from vfs.model.ids import digest_of

KEY_SIZE = 32
COMMENT_MAX = 200
LINE_TAG = "vfs-ed25519"
_ID = re.compile(r"[0-9a-f]{16}")


class PublicKey(msgspec.Struct, frozen=True):
    """An Ed25519 public key (32 bytes) and what its owner calls it: one line of printable text, perhaps empty."""

    raw: bytes
    comment: str = ""

    @property
    def id(self) -> str:
        """16 hex digits: the start of the BLAKE3 of the key. Short enough to read out; trust compares whole keys."""
        return key_id(self.raw)

    def line(self) -> str:
        """The key as text: `vfs-ed25519 <base64> comment`."""
        return f"{LINE_TAG} {base64.b64encode(self.raw).decode()} {self.comment}".rstrip()


def key_id(raw: bytes) -> str:
    """The id of a public key."""
    return digest_of(raw).hex()[:16]


def is_key_id(text: str) -> bool:
    """Whether `text` can be the id of a key."""
    return _ID.fullmatch(text) is not None


def parse_line(text: str, what: str) -> PublicKey:
    """The key in one line of text; UsageError naming `what` when it is none."""
    words = text.strip().split(None, 2)
    if len(words) < 2 or words[0] != LINE_TAG or "\n" in text.strip():
        raise UsageError(f"{what}: not a public key; one is a line '{LINE_TAG} BASE64 comment'")
    try:
        raw = base64.b64decode(words[1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{what}: not a public key: {error}") from error
    if len(raw) != KEY_SIZE:
        raise UsageError(f"{what}: a public key of {len(raw)} bytes, {KEY_SIZE} expected")
    return PublicKey(raw, clean_comment(words[2] if len(words) > 2 else ""))


def clean_comment(text: str) -> str:
    """`text` as one printable line of at most 200 characters."""
    line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)[:COMMENT_MAX]
