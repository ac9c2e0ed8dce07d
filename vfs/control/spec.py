"""What one daemon is to mount, and the JSON file that tells it."""

from __future__ import annotations

import json
import os
import re
import secrets
from typing import Literal, TypeAlias

import msgspec

from vfs.config.settings import Settings
from vfs.errors import ConfigError, UsageError
from vfs.files.atomic import write_atomic
from vfs.files.translate import local_error
from vfs.model.commit import StoredCommit, encode_commit
from vfs.model.names import check_label, check_name, check_path
from vfs.store.marker import Marker

SPEC_VERSION = 1
# The directory of a `views` mount on which a run binds its output.
OUTPUT_NAME = "out"
_ID = re.compile(r"[0-9a-f]{16}")
_COMMIT = re.compile(r"[0-9a-f]{64}")
# Two settings files and a thousand views fit; anything longer was not written by us.
_SPEC_MAX = 1 << 20
# An ordinary commit has some 500 bytes; one with a long message is read again.
_STORED_MAX = 4096

MountKind: TypeAlias = Literal["rev", "all", "views"]
# What of the opens of a mount is recorded: the first of each file by each process, or nothing.
LineageLevel: TypeAlias = Literal["files", "off"]
LINEAGE_LEVELS: tuple[LineageLevel, ...] = ("files", "off")


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A directory or file of one commit, shown under `name`. `commit` is 64 hex digits, `path` b"" the whole tree.

    `stored` is the object of the commit where it is known already, so that the daemon need not read it again.
    """

    name: str
    repo: str
    commit: str
    path: bytes = b""
    stored: bytes = b""


class MountSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One mount. Kind `rev` has one view, whose name is not shown; `views` one or more; `all` none.

    `title` is what the user asked for, for lists and `df`. `layer` is the directory of a writable layer
    (`read_only` is then False). `session` is a journal session that somebody else begins and ends; when it
    is empty the daemon has one of its own, and what the user typed for it, and where, is in `command` and `cwd`.
    `lineage` off: no open is observed, which a session of somebody else does not allow. `allow_other` None: yes
    when the system lets us. `overlaid`: somebody else mounts an overlay over it. When `owner_pid` is set the daemon
    ends with that process. `metrics_port` 0: no TCP port. `marker` is that of the store where it is known already.
    """

    id: str
    mountpoint: str
    kind: MountKind
    settings: Settings
    views: tuple[View, ...] = ()
    title: str = ""
    layer: str = ""
    overlaid: bool = False
    session: str = ""
    allow_other: bool | None = None
    read_only: bool = True
    owner_pid: int = 0
    metrics_port: int = 0
    lineage: LineageLevel = "files"
    command: tuple[bytes, ...] = ()
    cwd: bytes = b""
    marker: Marker | None = None
    version: int = SPEC_VERSION


def view_of(repo: str, stored: StoredCommit, *, name: str = "", path: bytes = b"") -> View:
    """The view of a commit that was just read."""
    data = encode_commit(stored.commit, stored.locations)[1]
    return View(name, repo, stored.id.hex(), path, data if len(data) <= _STORED_MAX else b"")


def new_id() -> str:
    """A new mount id: 16 hex digits."""
    return secrets.token_hex(8)


def check_spec(spec: MountSpec) -> MountSpec:
    """`spec` if its parts fit together; UsageError otherwise."""
    if not _ID.fullmatch(spec.id):
        raise UsageError(f"mount id '{spec.id[:40]}': not 16 hex digits")
    if spec.read_only is bool(spec.layer):
        raise UsageError(f"mount {spec.mountpoint}: a writable mount and a layer go together")
    if spec.lineage == "off" and spec.session:
        raise UsageError(f"mount {spec.mountpoint}: a session that expects reads, and lineage off")
    if not 0 <= spec.metrics_port < 65536:
        raise UsageError(f"metrics port {spec.metrics_port}: not a port")
    allowed = {"rev": len(spec.views) == 1, "all": not spec.views, "views": len(spec.views) > 0}
    if not allowed[spec.kind]:
        raise UsageError(f"mount {spec.mountpoint}: kind {spec.kind} with {len(spec.views)} views")
    for view in spec.views:
        _check_view(view, named=spec.kind == "views")
    names = [view.name for view in spec.views]
    if len(set(names)) != len(names):
        raise UsageError(f"mount {spec.mountpoint}: two views of one name")
    return spec


def _check_view(view: View, *, named: bool) -> None:
    check_label("repo", view.repo)
    check_path(view.path)
    if not _COMMIT.fullmatch(view.commit):
        raise UsageError(f"commit '{view.commit[:80]}': not 64 hex digits")
    if named:
        check_name(os.fsencode(view.name))
        if view.name == OUTPUT_NAME:
            raise UsageError(f"view '{OUTPUT_NAME}': the name is taken by the output directory")


def encode_spec(spec: MountSpec) -> bytes:
    """`spec` as JSON. Paths that are not UTF-8 stay as surrogate escapes, which only this encoder writes."""
    return json.dumps(msgspec.to_builtins(spec), indent=1).encode("ascii")


def decode_spec(data: bytes, what: str) -> MountSpec:
    """The spec in `data`; ConfigError naming `what` when it is none."""
    try:
        spec = msgspec.convert(json.loads(data), MountSpec)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what}: not a mount specification: {error}") from error
    if spec.version != SPEC_VERSION:
        raise ConfigError(f"{what}: version {spec.version}, this vfs reads {SPEC_VERSION}")
    return check_spec(spec)


def write_spec(path: str, spec: MountSpec) -> None:
    """Write `spec` to `path` for its daemon."""
    write_atomic(path, encode_spec(spec))


def read_spec(path: str) -> MountSpec:
    """The spec in the file `path`."""
    try:
        with open(path, "rb") as file:
            data = file.read(_SPEC_MAX + 1)
    except OSError as error:
        raise local_error(path, "read", error) from error
    if len(data) > _SPEC_MAX:
        raise ConfigError(f"{path}: over 1 MiB; not a mount specification")
    return decode_spec(data, path)
