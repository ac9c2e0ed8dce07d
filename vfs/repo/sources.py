"""What a user names for a put, and where in the tree each of it lands."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from heapq import merge

import msgspec

from vfs.errors import LocalIOError, NotADirectory, NotFound, UsageError
from vfs.files.translate import local_error
from vfs.model.names import check_path, printable
from vfs.repo.directory import Directory
from vfs.repo.walk import Found, Walk
from vfs.tree.keys import key_of


class Source(msgspec.Struct, frozen=True):
    """One thing to put: a local path; with `contents` what is in that directory instead of itself.

    `path` b"-" is standard input when `stdin` is set, and a file of that name otherwise.
    """

    path: bytes
    contents: bool = False
    stdin: bool = False

    @property
    def name(self) -> bytes:
        """The base name a path lands under."""
        return self.path.rstrip(b"/").rpartition(b"/")[2]


def parse_source(text: str | bytes) -> Source:
    """A word of a command line: `-`, PATH, or DIR/ for what is in DIR (`.`, `..` and `/` mean that too)."""
    path = os.fsencode(text)
    if not path:
        raise UsageError("'': an empty path")
    if path == b"-":
        return Source(path, stdin=True)
    last = path.rstrip(b"/").rpartition(b"/")[2]
    return Source(path, contents=path.endswith(b"/") or last in (b"", b".", b".."))


class Start(msgspec.Struct, frozen=True):
    """A source found on disk: its own name, and its descriptor when it is a directory to be walked."""

    found: Found
    directory: Directory | None


def start(source: Source, prefix: bytes) -> Start:
    """Where the walk of a source begins; NotFound, NotADirectory or LocalIOError before anything is read."""
    try:
        return _contents(source, prefix) if source.contents else _itself(source, prefix)
    except FileNotFoundError as error:
        raise NotFound(f"{printable(source.path)}: no such file or directory") from error
    except NotADirectoryError as error:
        raise NotADirectory(f"{printable(source.path)}: not a directory") from error
    except OSError as error:
        raise local_error(source.path, "read", error) from error


def _contents(source: Source, prefix: bytes) -> Start:
    directory = Directory.at_path(source.path)
    shown = source.path.rstrip(b"/") or b"/"
    return Start(Found(prefix, directory, b".", shown, stat.S_IFDIR), directory)


def _itself(source: Source, prefix: bytes) -> Start:
    head, _, name = source.path.rpartition(b"/")
    parent = Directory.at_path(head or (b"/" if source.path.startswith(b"/") else b"."))
    found = Found(join(prefix, name), parent, name, source.path, parent.kind(name))
    check_path(found.at)
    return Start(found, parent.below([name]) if found.kind == stat.S_IFDIR else None)


def found_below(starts: list[Start], walk: Walk) -> Iterator[Found]:
    """All that the sources hold, in key order. What two of them hold under one path is taken from the later one."""
    streams = [_stream(one, walk) for one in starts]
    if len(streams) == 1:
        return streams[0]
    ranked = [_ranked(stream, rank) for rank, stream in enumerate(streams)]
    return _without_doubles(merge(*ranked, key=lambda item: item[:2]))


def check_distinct(sources: list[Source]) -> None:
    """UsageError when two sources land under one name, one of which would be lost."""
    names = Counter(source.name for source in sources if not source.contents)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise UsageError(f"{printable(twice[0])}: two of the paths would land under this name")


def join(parent: bytes, name: bytes) -> bytes:
    """A tree path from a directory and a name in it."""
    return parent + b"/" + name if parent else name


def _stream(one: Start, walk: Walk) -> Iterator[Found]:
    yield one.found
    if one.directory is not None:
        yield from walk.below(one.directory, at=one.found.at, shown=one.found.shown)


def _ranked(stream: Iterator[Found], rank: int) -> Iterator[tuple[bytes, int, Found]]:
    """With keys under which the later of two sources comes first."""
    return ((key_of(found.at), -rank, found) for found in stream)


def _without_doubles(items: Iterator[tuple[bytes, int, Found]]) -> Iterator[Found]:
    last: Found | None = None
    for _, _, found in items:
        if last is not None and last.at == found.at:
            if (last.kind == stat.S_IFDIR) != (found.kind == stat.S_IFDIR):
                raise LocalIOError(f"{printable(found.shown)}: a directory in one of the paths, none in another")
            continue
        last = found
        yield found
