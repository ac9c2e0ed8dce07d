"""The key of a call: which one signs, where its passphrase comes from, and how signatures are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
import msgspec

from vfs.cli.values import local_time, utc_time
from vfs.errors import Refused

if TYPE_CHECKING:
    from vfs.cli.call import Call
    from vfs.config.settings import Settings
    from vfs.repo.signatures import Judge, Judged

PASSPHRASE = "VFS_KEY_PASSPHRASE"


def chosen(call: Call) -> Settings:
    """The settings of a call, with the key that its options choose."""
    settings = call.settings()
    if call.unsigned:
        return msgspec.structs.replace(settings, sign="")
    if call.sign == "auto" and settings.sign:
        return settings
    return msgspec.structs.replace(settings, sign=call.sign or settings.sign)


def ask(key: str) -> bytes:
    """The passphrase of a key, from the environment or the terminal; Refused where there is neither.

    The variable is taken out of the environment: the programs of a run are not to see it.
    """
    held = os.environ.pop(PASSPHRASE, "")
    if held:
        return os.fsencode(held)
    if not sys.stdin.isatty():
        raise Refused(f"{key}: needs its passphrase, from {PASSPHRASE} or a terminal")
    return os.fsencode(click.prompt(f"passphrase of {key}", hide_input=True, err=True))


def ask_new() -> bytes:
    """A passphrase for a new key, typed twice or from the environment."""
    held = os.environ.pop(PASSPHRASE, "")
    if held:
        return os.fsencode(held)
    if not sys.stdin.isatty():
        raise Refused(f"key: a passphrase is asked for on a terminal, or taken from {PASSPHRASE}")
    return os.fsencode(click.prompt("passphrase", hide_input=True, confirmation_prompt=True, err=True))


def judge_of(call: Call) -> Judge:
    """A judge that goes by the keys of this user."""
    from vfs.repo.keyring import Keyring
    from vfs.repo.signatures import Judge

    ring = Keyring(call.settings().state_dir)
    return Judge(ring.trusted(), ring.known())


def signature_text(found: Judged) -> str:
    """A signature as some words: by whom, when, what it is worth."""
    if found.cause:
        return f"bad: {found.cause}"
    name = f" ({found.comment})" if found.comment else ""
    worth = "trusted" if found.standing.value == "trusted" else "valid, by a key that is not trusted"
    return f"key {found.key}{name}, {local_time(found.time_ns)}: {worth}"


def signature_json(found: Judged) -> dict[str, Any]:
    """A signature with all that is known of it."""
    return {
        "object": found.object,
        "standing": found.standing.value,
        "key": found.key or None,
        "comment": found.comment,
        "time": utc_time(found.time_ns) if not found.cause else None,
        "cause": found.cause or None,
    }


def signature_fields(found: Iterable[Judged]) -> list[tuple[str, str]]:
    """Signatures as fields of a commit, `none` where there are none."""
    return [("signed", signature_text(one)) for one in found] or [("signed", "no")]
