"""The order of a tree: how a path becomes the key that pages are sorted and cut by.

key(path) = escaped parent path, then 0x00, then the name. In the escaped parent `/` is 0x01, and the
bytes 0x01 and 0x02 of a name stand behind an escape byte 0x02. So no two paths share a key, the
children of a directory lie together, everything below it is one range, and a directory's own key comes
before those of its children. The root is the name b"" in the parent b"": key 0x00, the first of all.
"""

from __future__ import annotations

import re

_ESCAPED = re.compile(rb"\x02[\x01\x02]|\x01")
ROOT_KEY = b"\0"


def escape(path: bytes) -> bytes:
    """A directory path as it stands in keys; b"" stays b""."""
    return path.replace(b"\x02", b"\x02\x02").replace(b"\x01", b"\x02\x01").replace(b"/", b"\x01")


def unescape(parent: bytes) -> bytes:
    """The directory path whose escaped form is `parent`."""
    if b"\x02" not in parent:
        return parent.replace(b"\x01", b"/")
    return _ESCAPED.sub(lambda m: b"/" if m[0] == b"\x01" else m[0][1:], parent)


def key_of(path: bytes) -> bytes:
    """The key of `path`; 0x00 for the root."""
    parent, _, name = path.rpartition(b"/")
    return escape(parent) + b"\0" + name


def path_of(key: bytes) -> bytes:
    """The path whose key is `key`."""
    parent, _, name = key.partition(b"\0")
    return unescape(parent) + b"/" + name if parent else name


def children_range(path: bytes) -> tuple[bytes, bytes]:
    """Bounds (low, high) of the children of a directory: low < key < high."""
    low = escape(path) + b"\0"
    return low, low[:-1] + b"\x01"


def below_range(path: bytes) -> tuple[bytes, bytes | None]:
    """Bounds (low, high) of all that lies below a directory: low < key < high, None for no upper bound."""
    if not path:
        return ROOT_KEY, None
    low = escape(path) + b"\0"
    return low, low[:-1] + b"\x02"
