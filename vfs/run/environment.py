"""The environment of this process as its caller made it, and with changes laid over it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TypeVar

_Text = TypeVar("_Text", str, bytes)

# Python sets this by itself when it is started in the C locale.
_COERCED = b"LC_CTYPE"


def inherited() -> dict[bytes, bytes]:
    """Our environment, without what the interpreter made of it."""
    environment = dict(os.environb)
    if _COERCED in environment:
        del environment[_COERCED]
        environment.update(_given(_COERCED))
    return environment


def as_text(environment: Mapping[bytes, bytes]) -> dict[str, str]:
    """`environment` with undecodable bytes as surrogates."""
    return {os.fsdecode(name): os.fsdecode(value) for name, value in environment.items()}


def changed(environment: Mapping[_Text, _Text], changes: Mapping[_Text, _Text | None]) -> dict[_Text, _Text]:
    """`environment` with `changes` laid over it; None takes a variable away."""
    kept = {name: value for name, value in environment.items() if name not in changes}
    return kept | {name: value for name, value in changes.items() if value is not None}


def _given(name: bytes) -> dict[bytes, bytes]:
    """The variable as it was when this process was started; nothing when it was not set."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return {name: os.environb[name]}
    values = (entry.partition(b"=") for entry in entries)
    return next(({name: value} for found, equals, value in values if equals and found == name), {})
