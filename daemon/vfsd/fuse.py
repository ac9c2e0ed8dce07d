"""The kernel's requests: converts types, maps errors, and hands everything else to the file system.

pyfuse3 ends the mount when anything but its own FUSEError leaves a handler, so each handler stands behind `_guarded`.
File and directory handles are inode numbers: nothing to keep per open file, nothing to release or forget.
"""

from __future__ import annotations

import errno
import stat
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import update_wrapper
from time import perf_counter
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import msgspec
import pyfuse3
import trio

from vfs.model.entry import Kind
from vfs.model.names import NAME_MAX
from vfsd.ahead import Ahead
from vfsd.eager import Eager
from vfsd.filesystem import FileSystem
from vfsd.interrupts import Interrupted, Interrupts
from vfsd.lineage import Lineage
from vfsd.lines import Lines
from vfsd.meters import Meters
from vfsd.node import FOREVER, Absent, Listed, Node, occupied
from vfsd.onward import Onward, Page
from vfsd.patience import WouldWait
from vfsd.shim import SHIM
from vfsd.threads import Threads

P = ParamSpec("P")
T = TypeVar("T")

_FORMATS = {Kind.FILE: stat.S_IFREG, Kind.DIR: stat.S_IFDIR, Kind.SYMLINK: stat.S_IFLNK}
# What stdio and Python read at once. Larger buffers would be mapped and unmapped at each open of a small file.
_BLOCK = 64 << 10
_SECTOR = 512
# Listings that are being read, with the lines that were made ready and did not fit the kernel's buffer.
_LISTINGS_KEPT = 16

_Page = Page[pyfuse3.EntryAttributes]
Handler = Callable[Concatenate["Operations", P], Coroutine[Any, Any, T]]


def _guarded(handler: Handler[P, T]) -> Handler[P, T]:
    """`handler`, timed and counted, with every exception turned into the error number the kernel is told."""
    operation = handler.__name__

    async def answer(self: Operations, /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.interrupts.begin()
        meter, start = self.meters.meter(operation), perf_counter()
        try:
            return await handler(self, *args, **kwargs)
        except pyfuse3.FUSEError as error:
            meter.failed(error.errno)
            raise
        except Exception as error:
            number = self.meters.troubles.note_error(operation, error)
            meter.failed(number)
            raise pyfuse3.FUSEError(number) from error
        finally:
            meter.answered(perf_counter() - start)
            if self.eager is not None:
                self.eager.answered = True

    update_wrapper(answer, handler)
    return answer


def _fill(out: pyfuse3.EntryAttributes, inode: int, mode: int, size: int, stored: int, mtime_ns: int) -> None:
    out.st_ino = inode
    out.st_mode = mode
    out.st_size = size
    out.st_blocks = (stored + _SECTOR - 1) // _SECTOR
    out.st_atime_ns = out.st_ctime_ns = out.st_mtime_ns = mtime_ns


class Asked(msgspec.Struct):
    """What the kernel is to ask for each time, though it could do without: settled before the first request.

    `opens`: each open of a file; `listings`: each open of a directory, and with it the names in it.
    """

    opens: bool = True
    listings: bool = True


class _Rests:
    """Lines that were made ready and did not fit the kernel's buffer, by directory and cookie."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int], _Page] = OrderedDict()

    def take(self, inode: int, cookie: int) -> _Page | None:
        return self._kept.pop((inode, cookie), None)

    def keep(self, inode: int, cookie: int, page: _Page) -> None:
        self._kept[inode, cookie] = page
        if len(self._kept) > _LISTINGS_KEPT:
            self._kept.popitem(last=False)


class Operations(pyfuse3.Operations):
    """Handlers of one mount. `deadline` is how many seconds a request may take before it fails.

    What is in memory is answered in the event loop, the rest in `threads`.
    """

    # With it the kernel would look forgotten inodes up by number, and overlayfs take what it is then given, whose time
    # is up already, for stale: a file of the commit that was changed would be ESTALE once its name had been forgotten.
    supports_dot_lookup = False
    enable_writeback_cache = False
    enable_acl = False

    def __init__(
        self,
        file_system: FileSystem,
        *,
        threads: Threads,
        meters: Meters,
        lineage: Lineage,
        ahead: Ahead,
        interrupts: Interrupts,
        asked: Asked,
        owner: tuple[int, int],
        deadline: float,
    ) -> None:
        super().__init__()
        self.meters = meters
        self.interrupts = interrupts
        self.eager: Eager | None = None
        self._files = file_system
        self._threads = threads
        self._lineage = lineage
        self._ahead = ahead
        self._asked = asked
        self._uid, self._gid = owner
        self._deadline = deadline
        self._rests = _Rests()
        self._onward = Onward[_Page | Lines](self._make_page, threads, deadline=deadline)

    async def _ask(self, function: Callable[..., T], *args: object) -> T:
        try:
            return function(*args)
        except WouldWait:
            return await self._wait(function, *args)

    async def _wait(self, function: Callable[..., T], *args: object) -> T:
        return await self._until(lambda: self._threads.run(function, self._deadline, *args))

    async def _until(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await self.interrupts.wait(call)
        except Interrupted as error:
            raise pyfuse3.FUSEError(errno.EINTR) from error

    def _blank(self, name_seconds: float, attr_seconds: float) -> pyfuse3.EntryAttributes:
        out = pyfuse3.EntryAttributes()
        out.entry_timeout = name_seconds
        out.attr_timeout = attr_seconds
        # 1 is what file systems say that do not count subdirectories: find and du then do not count on it.
        out.st_nlink = 1
        out.st_uid = self._uid
        out.st_gid = self._gid
        out.st_blksize = _BLOCK
        return out

    def _attributes(self, node: Node) -> pyfuse3.EntryAttributes:
        entry, out = node.entry, self._blank(node.name_seconds, node.attr_seconds)
        _fill(out, node.inode, _FORMATS[entry.kind] | entry.mode, entry.size, occupied(entry), entry.mtime_ns)
        if entry.links is not None:
            out.st_nlink = entry.links.count
        return out

    @_guarded
    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """A name of a directory; one that is not there is answered so that the kernel remembers it."""
        found = await self._ask(self._files.lookup, parent_inode, name)
        if isinstance(found, Absent):
            missing = await self._ask(self._files.missing, parent_inode, name)
            if missing is not None:
                self._lineage.absent(ctx.pid, missing)
            nothing = pyfuse3.EntryAttributes()
            nothing.st_ino = 0
            nothing.entry_timeout = found.seconds
            return nothing
        self._ahead.looked_up(parent_inode, found.inode)
        return self._attributes(found)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        """Nothing is kept per inode."""

    @_guarded
    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        """The attributes of an inode."""
        return self._attributes(await self._ask(self._files.node, inode))

    @_guarded
    async def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        """The target of a symlink."""
        return await self._ask(self._files.readlink, inode)

    @_guarded
    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        """Open a file: the journal hears of it, and the kernel keeps what it has cached of the content.

        Where nobody needs to hear, this is said once, and the kernel opens files without asking.
        """
        if not self._asked.opens:
            raise pyfuse3.FUSEError(errno.ENOSYS)
        file = await self._ask(self._files.opened, inode)
        if not self._lineage.known(ctx.pid, file):
            for name, entry in await self._ask(self._files.names, inode):
                self._lineage.opened(ctx.pid, name, entry)
        return pyfuse3.FileInfo(fh=inode, keep_cache=True)

    @_guarded
    async def read(self, fh: int, off: int, size: int) -> bytes:
        """Content of a file."""
        try:
            data = self._files.read(fh, off, size)
            self._ahead.note(fh, off, size, waited=False)
        except WouldWait:
            # Before the wait, so that what follows is on its way meanwhile.
            self._ahead.note(fh, off, size, waited=True)
            data = await self._wait(self._files.read, fh, off, size)
        self.meters.read_bytes.add(len(data))
        # A view of a chunk, mostly: pyfuse3 takes any buffer, its stubs know of bytes alone.
        return cast("bytes", data)

    async def release(self, fh: int) -> None:
        """Nothing is kept per open file."""

    @_guarded
    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        """Open a directory: its handle is its inode. The journal hears of it, as of the open of a file.

        Where nobody needs to hear, and listings never change, this is said once, and the kernel keeps them.
        """
        if not self._asked.listings:
            raise pyfuse3.FUSEError(errno.ENOSYS)
        if self._lineage.needs_opens:
            directory = await self._ask(self._files.listed, inode)
            if directory is not None and not self._lineage.known(ctx.pid, directory):
                self._lineage.listed(ctx.pid, directory, await self._ask(self._files.entry, inode))
        return inode

    @_guarded
    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """Names with their attributes, as many as the kernel has room for."""
        page = self._rests.take(fh, start_id) or await self._page(fh, start_id)
        while page:
            fits, start_id = self._reply(token, fh, page, start_id)
            if not fits:
                self._onward.fetch(fh, page.end)
                return
            # Others get their turn: a buffer of the kernel's may take some thousand lines.
            await trio.lowlevel.checkpoint()
            page = await self._page(fh, start_id)

    async def _page(self, fh: int, cookie: int) -> _Page | Lines:
        ahead = await self._until(lambda: self._onward.take(fh, cookie))
        if ahead is not None:
            return ahead
        lines = await self._ask(self._files.listing, fh, cookie)
        return lines if isinstance(lines, Lines) and not lines.counts else self._ready(lines)

    def _make_page(self, fh: int, cookie: int) -> _Page | Lines:
        lines = self._files.listing(fh, cookie)
        return lines if SHIM.send and isinstance(lines, Lines) and not lines.counts else self._ready(lines)

    def _ready(self, lines: Sequence[Listed]) -> _Page:
        if not isinstance(lines, Lines):
            return Page([(line.name, self._attributes(line.node), line.cookie) for line in lines], None)
        ready = []
        for cookie, name, inode, mode, size, stored, mtime in lines.columns():
            out = self._blank(FOREVER, FOREVER)
            _fill(out, inode, mode, size, stored, mtime)
            ready.append((name, out, cookie))
        for place, count in lines.counts.items():
            ready[place][1].st_nlink = count
        return Page(ready, lines.end)

    def _reply(self, token: pyfuse3.ReaddirToken, fh: int, page: _Page | Lines, cookie: int) -> tuple[bool, int]:
        """Whether all of `page` had room in the kernel's buffer, and the cookie of the last line that had."""
        reply = pyfuse3.readdir_reply
        if isinstance(page, Page):
            for place, (name, attributes, following) in enumerate(page.lines):
                if not reply(token, name, attributes, following):
                    self._rests.keep(fh, cookie, Page(page.lines[place:], page.end))
                    return False, cookie
                cookie = following
            return True, cookie
        out = self._blank(FOREVER, FOREVER)
        if SHIM.send is not None:
            listing = page.listing()
            sent = SHIM.send(listing, lambda: reply(token, listing.names[0], out, listing.cookie))
            return sent == len(page), listing.cookie + sent - 1 if sent else cookie
        # One object is filled anew for each, with what is not the same in all.
        for following, name, inode, mode, size, stored, mtime in page.columns():
            _fill(out, inode, mode, size, stored, mtime)
            if not reply(token, name, out, following):
                return False, cookie
            cookie = following
        return True, cookie

    async def releasedir(self, fh: int) -> None:
        """Nothing is kept per open directory."""

    @_guarded
    async def getxattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> bytes:
        """The value of an extended attribute."""
        value = await self._ask(self._files.xattr, inode, name)
        if value is None:
            raise pyfuse3.FUSEError(pyfuse3.ENOATTR)
        return value

    @_guarded
    async def listxattr(self, inode: int, ctx: pyfuse3.RequestContext) -> Sequence[bytes]:
        """The names of the extended attributes."""
        return await self._ask(self._files.xattrs, inode)

    @_guarded
    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        """The totals of the commit; nothing is free."""
        totals, out = await self._ask(self._files.totals), pyfuse3.StatvfsData()
        out.f_bsize = out.f_frsize = 4096
        out.f_blocks = -(-totals.size // 4096)
        out.f_files = totals.entries
        out.f_namemax = NAME_MAX
        return out

    @_guarded
    async def flush(self, fh: int) -> None:
        """Nothing to do at close: said once, the kernel does not ask again."""
        raise pyfuse3.FUSEError(errno.ENOSYS)

    @_guarded
    async def access(self, inode: int, mode: int, ctx: pyfuse3.RequestContext) -> bool:
        """The kernel checks permissions by itself (`default_permissions`): said once, it does not ask again."""
        raise pyfuse3.FUSEError(errno.ENOSYS)
