"""What a fresh host asks of the store from `vfs mount` to the first byte of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.faultproxy import FaultProxy
from support.hosts import Host, MakeHost

from vfs.content.writer import ContentWriter
from vfs.model.entry import BlobRef, ChunkList, Entry, Kind
from vfs.repo.commit import commit_tree
from vfs.tree.build import build

DIRECTORIES, FILES = 100, 1000
HUGE = 40 << 20


def entries(writer: ContentWriter) -> Iterator[Entry]:
    """A hundred directories of a thousand files. All but one name content that is nowhere: nobody reads them."""
    huge = os.urandom(HUGE)
    digest, content = writer.put_bytes(huge)
    yield Entry(path=b"", kind=Kind.DIR, mode=0o755, mtime_ns=1)
    for number in range(DIRECTORIES):
        yield Entry(path=b"d%03d" % number, kind=Kind.DIR, mode=0o755, mtime_ns=number)
    for number in range(DIRECTORIES):
        for name in range(FILES):
            path = b"d%03d/f%04d" % (number, name)
            if (number, name) == (57, 421):
                yield Entry(
                    path=path, kind=Kind.FILE, mode=0o644, mtime_ns=2, size=HUGE, digest=digest, content=content
                )
            else:
                ref = BlobRef(os.urandom(32), 9000 + name, os.urandom(16), name * 9000, 5000)
                yield Entry(
                    path=path, kind=Kind.FILE, mode=0o644, mtime_ns=number + name, size=ref.length,
                    digest=ref.digest, content=ChunkList((ref,)),
                )  # fmt: skip


@pytest.mark.mount
def test_the_first_byte_of_a_huge_commit_costs_six_round_trips(
    host: Host, new_host: MakeHost, line: FaultProxy
) -> None:
    with host.library() as library:
        writer = library.writer()
        root = build(writer, entries(writer))
        commit_tree(
            library,
            repo="data",
            branch="main",
            root=root,
            base=None,
            author="a",
            message="m",
            record=None,
            writer=writer,
        )
        assert root.entries == 1 + DIRECTORIES + DIRECTORIES * FILES
    fresh = new_host()
    line.clear()
    point = fresh.mount("data")
    with open(point / "d057" / "f0421", "rb", buffering=0) as file:
        assert len(file.read(1)) == 1
    requests, received = list(line.requests), line.received
    # The marker is asked for beside the branch.
    assert len(requests) - 1 <= 6, requests
    assert received <= 8 << 20


def test_small_commands_ask_for_little(host: Host, line: FaultProxy) -> None:
    (host.directory / "one").write_bytes(os.urandom(5000))
    host("put", "data", host.directory / "one")
    (host.directory / "two").write_bytes(os.urandom(5000))
    line.clear()
    host("put", "data", host.directory / "two")
    put = list(line.requests)
    line.clear()
    assert len(host("cat", "data:two").stdout) == 5000
    cat = list(line.requests)
    # Marker and branch, commit, page; what packs there are, and abandoned uploads; two packs, the branch again, the
    # commit, the branch moved. Ceph wants the ETag in the other form: asked what stands, and moved once more.
    assert len(put) <= 13, put
    assert sum(request.startswith("PUT") for request in put) <= 5, put
    assert len(cat) <= 5, cat
