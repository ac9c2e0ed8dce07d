"""What a layer says of itself in its JSON files: the commit it lies on, the commit last made from it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TypeVar

import msgspec

from vfs.errors import Corrupt, NotFound, StoreFormat
from vfs.files.atomic import write_atomic
from vfs.files.translate import local_error
from vfs.model.entry import BlobRef
from vfs.model.ids import Digest
from vfs.model.names import check_label

LAYER_FORMAT = 1
_COMMIT = re.compile(r"[0-9a-f]{64}")
_STORE = re.compile(r"[0-9a-f]{32}")


class LayerBase(msgspec.Struct, frozen=True, kw_only=True):
    """What a layer lies on: a commit (64 hex digits) of a repo in the store with that id.

    `branch` is "" when the mounted revision named none; `mountpoint` is canonical and absolute. `shell`: it was made
    for a mount that only one command sees, so no directory has it for its own. `max_size`: bytes that it may
    take on disk, 0 for no limit.
    """

    store: str
    repo: str
    branch: str
    commit: str
    mountpoint: str
    created_ns: int
    shell: bool = False
    max_size: int = 0
    format: int = LAYER_FORMAT

    @property
    def id(self) -> Digest:
        """The commit as raw bytes."""
        return bytes.fromhex(self.commit)


class Tip(msgspec.Struct, frozen=True, kw_only=True):
    """The commit last made from a layer.

    `root` is the tree that the mount showed, where the commit holds another one because other writers' changes
    were merged into it.
    """

    repo: str
    branch: str
    commit: str
    root: BlobRef | None = None
    format: int = LAYER_FORMAT

    @property
    def id(self) -> Digest:
        """The commit as raw bytes."""
        return bytes.fromhex(self.commit)


_T = TypeVar("_T", LayerBase, Tip)


def write_pin(path: Path, value: LayerBase | Tip) -> None:
    """Write `value` to `path`, durably."""
    # json, not msgspec: a mount point that is not UTF-8 has lone surrogates, which msgspec refuses to write.
    write_atomic(path, json.dumps(msgspec.to_builtins(value), indent=1).encode("ascii"))


def read_base(path: Path) -> LayerBase:
    """The base in `path`: NotFound, Corrupt, StoreFormat."""
    base = _read(path, LayerBase)
    if not _STORE.fullmatch(base.store):
        raise Corrupt(f"{path}: '{base.store[:80]}': not the id of a store")
    return base


def read_tip(path: Path) -> Tip | None:
    """The tip in `path`, None when there is none: Corrupt, StoreFormat."""
    try:
        return _read(path, Tip)
    except NotFound:
        return None


def _read(path: Path, type_: type[_T]) -> _T:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"{path}: no such layer") from error
    except OSError as error:
        raise local_error(path, "read", error) from error
    try:
        plain = json.loads(data)
        _check_format(path, plain)
        value = msgspec.convert(plain, type_)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"{path}: not the description of a layer: {error}") from error
    if not _COMMIT.fullmatch(value.commit):
        raise Corrupt(f"{path}: '{value.commit[:80]}': not the id of a commit")
    check_label("repo", value.repo)
    return value


def _check_format(path: Path, plain: object) -> None:
    # Before anything else is looked at: a newer format may have other fields.
    number = plain.get("format") if isinstance(plain, dict) else None
    if isinstance(number, int) and number != LAYER_FORMAT:
        raise StoreFormat(f"{path}: layer format {number}, this version reads {LAYER_FORMAT}; another vfs is needed")
