"""A commit of a million files, made through the library: the files never lie on a disk."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

from bench.stopped import BenchError

EACH = 1000
SHARE = """\
import sys
from bench.million import commit
commit(sys.argv[1], int(sys.argv[2]))
"""


def name_of(number: int) -> bytes:
    """Path of one file."""
    return b"shard%04d/sample-%07d.json" % (number // EACH, number)


def make_million(environment: dict[str, str], repo: str, count: int) -> None:
    """Commit `count` files of 20 to 200 bytes to a repo, in a process with that environment."""
    done = subprocess.run(
        [sys.executable, "-c", SHARE, repo, str(count)], env=environment, capture_output=True, timeout=1200, check=False
    )
    if done.returncode:
        raise BenchError(f"a commit of {count} files: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")


def commit(repo: str, count: int) -> None:
    """What the process does."""
    from vfs.config.settings import load
    from vfs.repo.commit import commit_tree
    from vfs.repo.library import Library
    from vfs.tree.build import build

    with Library.open(load().settings) as library:
        writer = library.writer()
        root = build(writer, _entries(count))
        commit_tree(
            library,
            repo=repo,
            branch="main",
            root=root,
            base=None,
            author="bench@example.org",
            message="many",
            record=None,
            writer=writer,
        )


def _entries(count: int) -> Iterator[object]:
    """In key order: the root, its directories, then the files of each."""
    from blake3 import blake3

    from vfs.model.entry import Entry, Kind

    stamp, sizes = 1_700_000_000_000_000_000, random.Random(count)
    yield Entry(path=b"", kind=Kind.DIR, mode=0o755, mtime_ns=stamp)
    for number in range(0, count, EACH):
        yield Entry(path=name_of(number).partition(b"/")[0], kind=Kind.DIR, mode=0o755, mtime_ns=stamp)
    for number in range(count):
        content = sizes.randbytes(sizes.randint(20, 200))
        yield Entry(
            path=name_of(number),
            kind=Kind.FILE,
            mode=0o644,
            mtime_ns=stamp + sizes.randrange(10**15),
            size=len(content),
            digest=blake3(content).digest(),
            content=content,
        )
