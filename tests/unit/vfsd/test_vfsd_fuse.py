"""The handlers of the kernel's requests, called without a kernel: conversions, errors, the guard."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pyfuse3
import pytest

from vfs.control.spec import MountSpec, View
from vfs.journal.log import Journal
from vfs.metrics.counters import Registry
from vfs.model.commit import StoredCommit
from vfs.repo.library import Library
from vfsd.again import Again
from vfsd.ahead import Ahead
from vfsd.bring import Bringer
from vfsd.filesystem import build_filesystem
from vfsd.fuse import Asked, Operations
from vfsd.interrupts import Interrupts
from vfsd.levers import Means
from vfsd.lineage import Lineage, open_lineage
from vfsd.meters import Meters
from vfsd.mount import mount_options, push_pages
from vfsd.names_ahead import MountLister, NamesAhead
from vfsd.node import ROOT
from vfsd.patience import Patience
from vfsd.push import Pusher
from vfsd.shim import Shim
from vfsd.threads import Threads
from vfsd.trees import Trees
from vfsd.troubles import Troubles

Put = Callable[..., StoredCommit]
MakeSpec = Callable[..., MountSpec]


@pytest.fixture
def spec(source: Path, put_source: Put, make_spec: MakeSpec) -> MountSpec:
    (source / "dir").mkdir()
    (source / "file").write_text("hello\n")
    (source / "file").chmod(0o754)
    (source / "link").symlink_to("file")
    (source / "big").write_bytes(os.urandom(100_000))
    os.utime(source / "file", ns=(0, -1_500_000_000))
    os.setxattr(source / "file", "user.k", b"v")
    return make_spec("rev", View("", "r", put_source().id.hex()))


@pytest.fixture
def lineage(spec: MountSpec) -> Iterator[Lineage]:
    opened = open_lineage(spec, Registry())
    yield opened
    opened.close()


@pytest.fixture
async def operations(
    spec: MountSpec, library: Library, patience: Patience, lineage: Lineage
) -> AsyncIterator[Operations]:
    counters = Registry()
    trees = Trees(library, patience, counters)
    files = build_filesystem(spec, trees)
    patience.hurry_this_thread()
    meters, troubles = Meters(counters, Troubles()), list[str]()
    prefetcher = trees.prefetcher(troubles.append)
    pusher, names = Pusher(push_pages, counters, refused=troubles.append), NamesAhead(MountLister("/nowhere"))
    bringer = Bringer(prefetcher, trees.blobs, pusher)
    again = Again(spec, files, bringer, Means())
    yield Operations(
        files,
        threads=Threads(2),
        meters=meters,
        lineage=lineage,
        ahead=Ahead(files, prefetcher, bringer, again, names),
        interrupts=Interrupts(Shim()),
        asked=Asked(),
        owner=(1000, 1001),
        deadline=10.0,
    )
    prefetcher.close()
    names.close()
    assert pusher.close()
    assert not troubles


@pytest.fixture
def ctx() -> pyfuse3.RequestContext:
    return pyfuse3.RequestContext()


async def test_attributes_are_converted(operations: Operations, ctx: pyfuse3.RequestContext) -> None:
    file = await operations.lookup(ROOT, b"file", ctx)
    assert file.st_mode == stat.S_IFREG | 0o754
    assert (file.st_nlink, file.st_uid, file.st_gid, file.st_size, file.st_blocks) == (1, 1000, 1001, 6, 1)
    assert file.st_mtime_ns == file.st_atime_ns == file.st_ctime_ns == -1_500_000_000
    assert file.entry_timeout == file.attr_timeout == 1e9
    assert (await operations.getattr(file.st_ino, ctx)).st_ino == file.st_ino
    assert stat.S_ISDIR((await operations.getattr(ROOT, ctx)).st_mode)
    link = await operations.lookup(ROOT, b"link", ctx)
    assert stat.S_ISLNK(link.st_mode) and await operations.readlink(link.st_ino, ctx) == b"file"


async def test_absence_is_an_answer_that_can_be_remembered(operations: Operations, ctx: pyfuse3.RequestContext) -> None:
    nothing = await operations.lookup(ROOT, b"none", ctx)
    assert (nothing.st_ino, nothing.entry_timeout) == (0, 1e9)


async def test_content_comes_through_threads_and_then_from_memory(
    operations: Operations, ctx: pyfuse3.RequestContext, source: Path
) -> None:
    big = await operations.lookup(ROOT, b"big", ctx)
    opened = await operations.open(big.st_ino, os.O_RDONLY, ctx)
    assert (opened.fh, opened.keep_cache, opened.direct_io) == (big.st_ino, True, False)
    data = (source / "big").read_bytes()
    assert await operations.read(opened.fh, 5, 50) == data[5:55]
    assert await operations.read(opened.fh, 99_990, 50) == data[99_990:]
    assert operations.meters.read_bytes.value == 60
    await operations.release(opened.fh)
    await operations.forget([(big.st_ino, 1)])


@pytest.mark.parametrize("handler", ["flush", "access"])
async def test_what_the_kernel_need_not_ask_again(
    operations: Operations, ctx: pyfuse3.RequestContext, handler: str
) -> None:
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await (operations.flush(2) if handler == "flush" else operations.access(2, os.R_OK, ctx))
    assert caught.value.errno == errno.ENOSYS


async def test_xattrs(operations: Operations, ctx: pyfuse3.RequestContext) -> None:
    file = await operations.lookup(ROOT, b"file", ctx)
    assert await operations.getxattr(file.st_ino, b"user.k", ctx) == b"v"
    assert list(await operations.listxattr(file.st_ino, ctx)) == [b"user.k"]
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await operations.getxattr(file.st_ino, b"security.selinux", ctx)
    assert caught.value.errno == errno.ENODATA


async def test_statfs(operations: Operations, ctx: pyfuse3.RequestContext) -> None:
    totals = await operations.statfs(ctx)
    assert (totals.f_files, totals.f_blocks, totals.f_bfree, totals.f_namemax) == (5, 25, 0, 255)


async def test_errors_become_their_number(operations: Operations, ctx: pyfuse3.RequestContext) -> None:
    for call, number in (
        (operations.lookup(ROOT, b"x" * 300, ctx), errno.ENAMETOOLONG),
        (operations.getattr(4711, ctx), errno.ENOENT),
        (operations.read(ROOT, 0, 1), errno.EISDIR),
    ):
        with pytest.raises(pyfuse3.FUSEError) as caught:
            await call
        assert caught.value.errno == number
    assert operations.meters.troubles.newest_first() == []


@pytest.mark.expects_warnings("bug: TypeError")
async def test_nothing_but_fuse_errors_leaves_a_handler(operations: Operations, ctx: pyfuse3.RequestContext) -> None:
    broken: Any = None
    with pytest.raises(pyfuse3.FUSEError) as caught:
        await operations.lookup(ROOT, broken, ctx)
    assert caught.value.errno == errno.EIO
    (trouble,) = operations.meters.troubles.newest_first()
    assert trouble.what.startswith("lookup: bug: TypeError")


@pytest.mark.expects_warnings("read: big: ")
async def test_a_damaged_store_is_eio_and_named_once(
    operations: Operations, ctx: pyfuse3.RequestContext, library: Library
) -> None:
    for pack in Path(library.settings.store.removeprefix("file://")).glob("packs/*/*"):
        pack.chmod(0o600)
        os.truncate(pack, 10)
    big = await operations.lookup(ROOT, b"big", ctx)
    for _ in range(3):
        with pytest.raises(pyfuse3.FUSEError) as caught:
            await operations.read(big.st_ino, 0, 10)
        assert caught.value.errno == errno.EIO
    (trouble,) = operations.meters.troubles.newest_first()
    assert trouble.count == 3 and "truncated" in trouble.what


async def test_opens_are_in_the_journal(
    operations: Operations, ctx: pyfuse3.RequestContext, lineage: Lineage, spec: MountSpec
) -> None:
    for name in (b"file", b"file", b"big"):
        node = await operations.lookup(ROOT, name, ctx)
        await operations.open(node.st_ino, os.O_RDONLY, ctx)
    lineage.flush()
    journal = Journal.open(spec.settings.state_dir)
    kinds = [record.kind for record in journal.records()]
    journal.close()
    assert kinds[0] == "session-start" and "read" in kinds
    assert lineage.lost() == 0 and lineage.state == "open"


def test_options_are_safe_whatever_the_title(make_spec: MakeSpec) -> None:
    from msgspec.structs import replace

    spec = replace(make_spec("all"), title="r@main:a,allow_root\n\udcff", allow_other=True)
    options = mount_options(spec)
    assert {"ro", "default_permissions", "nosuid", "nodev", "allow_other", "subtype=vfs"} < options
    assert "fsname=vfs:r@main:a_allow_root__" in options
    assert "allow_other" not in mount_options(replace(spec, allow_other=False))
