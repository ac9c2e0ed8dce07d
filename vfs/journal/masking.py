"""What of a command line is never written down: values whose name says that they are secret.

Names decide, values do not: a password that is an argument of its own cannot be told from a file name. What is
hidden, and what cannot be, is listed in docs/JOURNAL.md ("Secrets").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

MASK = b"***"
# Anywhere in a name, whatever is around it.
_ALWAYS = re.compile(
    r"passw(or)?d|passphrase|passcode|secret|credential|authorization|api[-_.]?key|authtoken|bearer|cookie"
)
# As a part of a name, parts being divided by `-`, `_`, `.` or a capital letter.
_PARTS = frozenset({"pass", "pwd", "pw", "token", "auth", "pat", "jwt", "otp", "pin"})
_KEYS = re.compile(
    r"(access|account|admin|auth|client|decryption|deploy|encryption|license|master|private|shared|signing|ssh|"
    r"storage|subscription)[-_.]?key"
)
# Names that end so hold where a secret is, or how it is asked for, and no secret.
_HARMLESS_ENDS = frozenset({"file", "path", "dir", "stdin", "fd", "fds", "env", "prompt"})
_HARMLESS_BEGINS = frozenset({"no", "ask", "prompt"})
_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DIVIDERS = re.compile(r"[-_.]+")

# `--name=value` and `NAME=value` as a whole word; `Name: value` as an HTTP header is one.
_ASSIGNED = re.compile(rb"(-{0,2})([A-Za-z_][\w.-]*)(=|:\s+)(?=.)", re.DOTALL)
_OPTION = re.compile(rb"--?([A-Za-z][\w.-]*)\Z")
_QUOTES = frozenset({b'"', b"'"})
_OTHER_OPTION = re.compile(rb"--\S|-\S?(?!\S)")
# The same within text (shell scripts, JSON, source code, URLs): a name, what divides, then the value up to where a
# shell, JSON or a URL ends it; a quote that is not closed goes on to the end.
_NAMED = re.compile(rb"""(?<![\w.-])(-{0,2})([A-Za-z_][\w.-]*)(["']?\]?\s*[:=]+\s*|\s+)(?=\S)""")
_VALUE = re.compile(
    rb"""(?:(?:Bearer|Basic|Token)\s+)?"""
    rb"""(?:"(?:[^"\\]|\\.)*(?:"|\Z)|'[^']*(?:'|\Z)|\\.|[^\s;&|<>()"',}\]\\])+""",
    re.DOTALL | re.IGNORECASE,
)
_USER_INFO = re.compile(rb"(?i)\b([a-z][a-z0-9+.-]{0,30}://)(?:([^\s/@:?#'\"]*):)?([^\s/@?#'\"]+)@")
_SIGNED = re.compile(rb"(?i)([?&](?:sig|signature|x-amz-signature|x-goog-signature)=)[^\s&\"']+")
_SHELLS = frozenset({b"sh", b"bash", b"dash", b"zsh", b"ksh", b"ash", b"busybox", b"fish"})
_SCRIPT_FOLLOWS = re.compile(rb"-[a-zA-Z]*c\Z")


@lru_cache(maxsize=4096)
def looks_secret(name: str) -> bool:
    """True when an option, a variable or a field of this name holds a secret, as far as a name can tell."""
    plain = name.lstrip("-")
    parts = [part for part in _DIVIDERS.split(_CAPITALS.sub("_", plain).lower()) if part]
    if not parts or parts[-1] in _HARMLESS_ENDS or parts[0] in _HARMLESS_BEGINS:
        return False
    lowered = plain.lower()
    if _ALWAYS.search(lowered) or _KEYS.search("_".join(parts)) or _KEYS.search(lowered):
        return True
    # Variables are named in capitals: MY_KEY is one, while --key is what `sort` sorts by.
    shouted = plain.isupper() and (parts[-1] in {"key", "keys"} or lowered.endswith("key"))
    return shouted or any(part in _PARTS or part.endswith("token") for part in parts)


def masked(words: Iterable[bytes]) -> tuple[bytes, ...]:
    """The words of a command with `***` in place of each secret value. What is masked once stays as it is."""
    found: list[bytes] = []
    given = list(words)
    for place, word in enumerate(given):
        before = given[place - 1] if place else b""
        if place and _takes_secret(before, word):
            found.append(MASK)
        else:
            found.append(_script(word) if _is_script(given[:place]) else _word(word))
    return tuple(found)


def masked_text(text: str) -> str:
    """`text` (a message, a URL, a value of a variable) with `***` in place of each secret in it."""
    return _script(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def is_masked(words: Sequence[bytes]) -> bool:
    """True when a value was masked in this command: it cannot be run again as it is."""
    return any(MASK in word for word in words)


def _takes_secret(option: bytes, word: bytes) -> bool:
    """True when `word` is the value of `option`, and secret. An option is no value: `--password --user x` asks."""
    match = _OPTION.match(option)
    return match is not None and looks_secret(_name(match[1])) and _OTHER_OPTION.match(word) is None


def _word(word: bytes) -> bytes:
    match = _ASSIGNED.match(word)
    if match is not None and looks_secret(_name(match[2])):
        return word[: match.end()] + MASK
    return _script(word)


def _is_script(before: Sequence[bytes]) -> bool:
    """True for the word after `sh -c`: assignments in it end where the shell ends them."""
    return (
        bool(before)
        and _SCRIPT_FOLLOWS.match(before[-1]) is not None
        and any(word.rpartition(b"/")[2] in _SHELLS for word in before[:-1])
    )


def _script(text: bytes) -> bytes:
    if not any(sign in text for sign in (b"=", b":", b" ", b"\t", b"\n")):
        return text
    return _SIGNED.sub(rb"\1" + MASK, _USER_INFO.sub(_user_info, _within(text)))


def _within(text: bytes) -> bytes:
    """`text` with the secrets in it masked. A name that is none is passed over alone: its value may be a name."""
    pieces, at = [], 0
    while match := _NAMED.search(text, at):
        end = _end_of_secret(match, text)
        pieces.append(text[at : match.end()] + MASK if end else text[at : match.end(2)])
        at = end or match.end(2)
    return b"".join([*pieces, text[at:]])


def _end_of_secret(match: re.Match[bytes], text: bytes) -> int:
    """Where the secret value after this name ends; 0 when there is none."""
    dashes, name, divider = match.groups()
    option = divider.isspace()
    if not looks_secret(_name(name)) or (option and (not dashes or _OTHER_OPTION.match(text, match.end()))):
        return 0
    quote = text[max(match.start() - 1, 0) : match.start()]
    if quote in _QUOTES and not option and divider[:1] not in _QUOTES:
        # The quotes are around name and value.
        return text.find(quote, match.end()) % (len(text) + 1)
    value = _VALUE.match(text, match.end())
    return value.end() if value is not None else 0


def _user_info(match: re.Match[bytes]) -> bytes:
    scheme, user, secret = match.groups()
    if user is not None:
        return scheme + user + b":" + MASK + b"@"
    # A token as the user's name is how programs reach servers over HTTP; over ssh it is a name.
    return scheme + (MASK if scheme.lower().startswith(b"http") else secret) + b"@"


def _name(name: bytes) -> str:
    return name.decode("utf-8", "replace")
