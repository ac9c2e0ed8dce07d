"""The environment of this process as its caller made it."""

from __future__ import annotations

import os

# Python sets this by itself when it is started in the C locale.
_COERCED = b"LC_CTYPE"


def inherited() -> dict[bytes, bytes]:
    """Our environment, without what the interpreter added to it."""
    environment = dict(os.environb)
    if _COERCED in environment and not _was_given(_COERCED):
        del environment[_COERCED]
    return environment


def _was_given(name: bytes) -> bool:
    try:
        with open("/proc/self/environ", "rb") as file:
            return any(entry.startswith(name + b"=") for entry in file.read().split(b"\0"))
    except OSError:
        return True
