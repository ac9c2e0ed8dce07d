"""Decoding of msgpack that came from a store: whatever is wrong with it becomes Corrupt."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from vfs.errors import Corrupt

T = TypeVar("T")


def decode(decoder: msgspec.msgpack.Decoder[T], data: bytes, *, what: str) -> T:
    """`data` as the type of `decoder`; Corrupt naming `what` when it is anything else."""
    try:
        return decoder.decode(data)
    # A str field that is not UTF-8 raises UnicodeDecodeError, which msgspec does not wrap.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt(f"{what}: cannot be decoded: {error}") from error
