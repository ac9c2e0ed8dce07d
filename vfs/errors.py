"""Every error a user or a peer process can meet: one tree from `VfsError`.

Owns the mapping from an error to its errno (what a program reading a mount gets), its exit
code (what the shell gets) and its wire code (what the control socket carries). No other
module chooses any of the three.
"""

from __future__ import annotations

import errno as E
from typing import ClassVar


class VfsError(Exception):
    """Base of all expected failures. `str(error)` is one line: subject first, cause last."""

    errno: ClassVar[int] = E.EIO
    exit_code: ClassVar[int] = 1
    wire: ClassVar[str] = "error"


class UsageError(VfsError):
    """The words of a call do not fit together."""

    errno = E.EINVAL
    exit_code = 2
    wire = "usage"


class InvalidName(UsageError):
    """A repo, branch, tag, revision or file name that the model does not allow."""

    wire = "invalid_name"


class NameTooLong(InvalidName):
    """A name over 255 bytes or a path over 4,095 bytes."""

    errno = E.ENAMETOOLONG
    exit_code = 1
    wire = "name_too_long"


class ConfigError(UsageError):
    """A configuration file, variable or flag that cannot be used."""

    wire = "config"


class NotFound(VfsError):
    """Something named by the user does not exist."""

    errno = E.ENOENT
    wire = "not_found"


class RepoNotFound(NotFound):
    """No repo of that name in the store."""

    wire = "repo_not_found"


class RevisionNotFound(NotFound):
    """No branch, tag or commit of that name in the repo."""

    wire = "revision_not_found"


class PathNotFound(NotFound):
    """No such path in the tree of a commit."""

    wire = "path_not_found"


class Refused(VfsError):
    """A request that is understood and not carried out."""

    errno = E.EPERM
    wire = "refused"


class AlreadyExists(Refused):
    """The name is taken."""

    errno = E.EEXIST
    wire = "exists"


class AmbiguousRevision(Refused):
    """A commit prefix that several commits share."""

    errno = E.EINVAL
    wire = "ambiguous"


class NotADirectory(Refused):
    """A path component that is not a directory."""

    errno = E.ENOTDIR
    wire = "not_a_directory"


class IsADirectory(Refused):
    """A directory where a file is needed."""

    errno = E.EISDIR
    wire = "is_a_directory"


class Busy(Refused):
    """Something that another process or thread is using; waiting for it took too long."""

    errno = E.EBUSY
    wire = "busy"


class Partial(VfsError):
    """Work that was done in part: what failed was named, the rest stands."""

    wire = "partial"


class LocalIOError(VfsError):
    """A local file or directory could not be read or written."""

    wire = "local_io"


class JournalError(VfsError):
    """The journal could not be opened, read or written: what it should hold is not recorded."""

    wire = "journal"


class LocalDenied(LocalIOError):
    """A local file or directory that permissions, or a read-only mount, keep from us."""

    errno = E.EACCES
    wire = "local_denied"


class LocalFull(LocalIOError):
    """The local disk or the quota has no room left; nothing half-written is visible."""

    errno = E.ENOSPC
    wire = "local_full"


class StoreError(VfsError):
    """The store did not do what was asked."""

    exit_code = 3
    wire = "store"


class ObjectMissing(StoreError):
    """A key that the store does not hold (an absent ref, or a lost object)."""

    wire = "object_missing"


class StoreMissing(StoreError):
    """There is no vfs store at that URL. To a program that reads a mount this is EIO: its file is not absent."""

    wire = "store_missing"


class StoreFormat(StoreError):
    """The store is of a format that this version does not know."""

    wire = "store_format"


class StoreDenied(StoreError):
    """The store refused the credentials or the permission."""

    errno = E.EACCES
    wire = "store_denied"


class StoreFull(StoreError):
    """The store has no room left; nothing half-written is visible."""

    errno = E.ENOSPC
    wire = "store_full"


class StoreTimeout(StoreError):
    """The store did not answer within the deadline of the operation."""

    errno = E.EIO
    wire = "store_timeout"


class StoreThrottled(StoreTimeout):
    """The store is there and asks for fewer requests, for longer than the deadline of the operation.

    Not EAGAIN: file objects of Python take that for the end of what there is, and pass off a part as the whole.
    """

    errno = E.EIO
    wire = "store_throttled"


class ServiceError(VfsError):
    """A service outside of the store, which was to be told of runs, did not take what it was sent."""

    exit_code = 3
    wire = "service"


class Conflict(VfsError):
    """Two histories changed the same paths, or a ref moved: nothing was overwritten."""

    errno = E.EBUSY
    exit_code = 4
    wire = "conflict"


class Corrupt(VfsError):
    """Bytes that do not hash to the digest they were stored under, or cannot be decoded."""

    exit_code = 5
    wire = "corrupt"


class DaemonError(VfsError):
    """The mount daemon could not be started, reached or stopped."""

    exit_code = 6
    wire = "daemon"


class MountError(DaemonError):
    """The mount point or the kernel does not allow the mount."""

    wire = "mount"


def _subclasses(root: type[VfsError]) -> list[type[VfsError]]:
    found = [root]
    for child in root.__subclasses__():
        found.extend(_subclasses(child))
    return found


def from_wire(code: str, message: str) -> VfsError:
    """The error a peer process reported, as an exception of the same class."""
    for cls in _subclasses(VfsError):
        if cls.wire == code:
            return cls(message)
    return VfsError(message)
