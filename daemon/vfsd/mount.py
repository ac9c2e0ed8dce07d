"""The kernel's side of a mount: options, making it, serving it, letting go of it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator, Sequence

import pyfuse3

from vfs.control.mountinfo import mounts
from vfs.control.spec import MountSpec
from vfs.errors import MountError
from vfsd.fuse import Operations
from vfsd.shim import SHIM

SUBTYPE = "vfs"
# Idle tasks that are kept: as many as a reader with readahead and a walk beside it use.
_TASKS_KEPT = 8
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@~:-]")
_MESSAGE_MAX = 4096


def mount_options(spec: MountSpec) -> set[str]:
    """What the kernel and libfuse are told. `df` and the table of mounts show the title as the source."""
    title = _UNSAFE.sub("_", spec.title)[:200] or spec.kind
    options = {"ro", "default_permissions", f"fsname=vfs:{title}", f"subtype={SUBTYPE}"}
    # Nothing in a commit may act as a device or with other rights than those of its reader.
    options |= {"nosuid", "nodev"}
    if spec.allow_other:
        options.add("allow_other")
    return options


class FuseMount:
    """The one mount of this process: pyfuse3 keeps its session in globals, a second would take over the first.

    Made, then served by `serve` until it is unmounted or `close` is called.
    """

    def __init__(self, operations: Operations, mountpoint: str, options: set[str]) -> None:
        """Mount on `mountpoint`; MountError with what libfuse says."""
        self.mountpoint = mountpoint
        said: list[str] = []
        try:
            with _captured_stderr(said):
                pyfuse3.init(operations, mountpoint, options)
        except RuntimeError as error:
            raise MountError(f"{mountpoint}: cannot be mounted: {_cause(said) or error}") from error

    async def serve(self) -> None:
        """Answer requests until the mount is gone."""
        await pyfuse3.main(min_tasks=_TASKS_KEPT)

    def close(self) -> None:
        """Let go of the kernel: whoever still uses the mount gets ENOTCONN. Does not unmount."""
        pyfuse3.close(unmount=False)


def push_pages(files: Sequence[tuple[int, bytes]]) -> list[int]:
    """Put whole files into the kernel's page cache; see `vfsd.push.Store`."""
    if SHIM.push is not None:
        return SHIM.push(files)
    outcomes = []
    for inode, data in files:
        try:
            pyfuse3.notify_store(inode, 0, data)
            outcomes.append(0)
        except OSError as error:
            outcomes.append(error.errno or errno.EIO)
            if error.errno != errno.ENOENT:
                break
    return outcomes


def device_of(mountpoint: str) -> str:
    """`major:minor` of the mount, as in /sys/class/bdi; empty when it is not in the table."""
    return next((mount.device for mount in reversed(mounts()) if mount.point == mountpoint), "")


def _cause(said: list[str]) -> str:
    lines = [line for text in said for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[-1].removeprefix("fuse: ").removeprefix("fusermount3: ").strip()


@contextlib.contextmanager
def _captured_stderr(said: list[str]) -> Iterator[None]:
    """Collect in `said` what C code and fusermount3 print meanwhile."""
    sys.stderr.flush()
    kept, caught = os.dup(2), os.memfd_create("stderr", os.MFD_CLOEXEC)
    os.dup2(caught, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        said.append(os.pread(caught, _MESSAGE_MAX, 0).decode("utf-8", "replace"))
        os.close(kept)
        os.close(caught)
