"""How exports name things: `vfs:` and what a user would type, each odd byte of a path percent-encoded.

`vfs:photos@<64 hex>` is a commit, `vfs:photos@<64 hex>:cat/1.jpg` a file of it. Names of repos hold no slash, so what
is no commit and no file has one before the first colon: `vfs:run/photos@<64 hex>`.
"""

from __future__ import annotations

import time
import uuid
from urllib.parse import quote

from vfs.model.ids import Digest

SCHEME = "vfs:"
_SECOND = 1_000_000_000
# What a path segment of a URI may hold as it is; `@` and `:` are left, as nothing behind the first colon splits.
_SAFE = "/!$&'()*+,;=:@"


def commit_uri(repo: str, commit: Digest) -> str:
    """A commit."""
    return f"{SCHEME}{_label(repo)}@{commit.hex()}"


def file_uri(repo: str, commit: Digest, path: bytes) -> str:
    """A file of a commit; for a path with a slash at its end, all that lies in the directory."""
    return f"{commit_uri(repo, commit)}:{quote(path, safe=_SAFE)}"


def thing_uri(kind: str, *names: str) -> str:
    """Something that is no commit and no file: a run, a user, a program."""
    return SCHEME + "/".join([kind, *(_label(name) for name in names)])


def run_id(commit: Digest, started_ns: int) -> str:
    """The UUID (version 7) of the run that made a commit: its start in ms, then 74 bits of the id of the commit.

    The same for everybody who asks, and in the order of time.
    """
    stamp = (started_ns // 1_000_000) & ((1 << 48) - 1)
    bits = int.from_bytes(commit[:10], "big") >> 6
    high, low = bits >> 62, bits & ((1 << 62) - 1)
    return str(uuid.UUID(int=stamp << 80 | 7 << 76 | high << 64 | 2 << 62 | low))


def instant(time_ns: int, *, digits: int = 6, zone: str = "Z") -> str:
    """A time in UTC by ISO 8601, cut to `digits` of a second."""
    seconds, rest = divmod(time_ns, _SECOND)
    fraction = f".{rest:09d}"[: digits + 1] if digits else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + zone


def _label(name: str) -> str:
    return quote(name, safe="@+", errors="surrogateescape")
