"""`vfs put`: local files, directories and standard input onto the tree of a branch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import msgspec

from vfs.content.stats import WriterStats
from vfs.content.writer import ContentWriter
from vfs.errors import IsADirectory, NotADirectory, UsageError
from vfs.files.translate import local_error
from vfs.model.commit import StoredCommit
from vfs.model.entry import Entry, Kind
from vfs.model.names import check_path, printable
from vfs.model.record import RunRecord
from vfs.model.revision import Revision
from vfs.repo.commit import commit_tree
from vfs.repo.guard import guard_of
from vfs.repo.ignoring import Ignoring
from vfs.repo.ingest import ingest
from vfs.repo.library import Library
from vfs.repo.notes import Failure, Notes
from vfs.repo.progress import NoProgress, Progress
from vfs.repo.resolve import resolve_branch
from vfs.repo.sources import Source, check_distinct, found_below, start
from vfs.repo.walk import Walk
from vfs.tree.edit import DIR_MODE, edit_sorted
from vfs.tree.tree import Tree

FILE_MODE = 0o644
# Names in the message of a commit that was given none.
_NAMED = 3


class PutResult(msgspec.Struct, frozen=True):
    """What a put did. `stored` is the new commit, or the head as it was when nothing changed (None: no commit yet).

    `warnings` are whole lines; `failures` are the paths that were left out, the caller's exit status is
    that of `Partial` when there are any. `stats` counts chunks and bytes put, stored and reused.
    """

    stored: StoredCommit | None
    changed: bool
    warnings: tuple[str, ...]
    failures: tuple[Failure, ...]
    stats: WriterStats


def put(
    library: Library,
    revision: Revision,
    sources: list[Source],
    *,
    prefix: bytes = b"",
    message: str = "",
    author: str | None = None,
    progress: Progress | None = None,
    record: RunRecord | None = None,
    stdin: BinaryIO | None = None,
    ignoring: bool = True,
) -> PutResult:
    """Commit what `sources` hold to the branch of `revision`, on top of what it has, below `prefix`.

    What a `.vfsignore` in a directory below a source keeps out is left out, unless the branch has it or not `ignoring`.
    Files that cannot be read are left out and named in the result; the rest is committed. Before anything
    is read: RepoNotFound, Refused, UsageError, NotFound for a source that is not there, NotADirectory for
    a prefix below a file. Conflict when another writer changed the same paths meanwhile.
    """
    _check_words(revision, sources, prefix)
    target = resolve_branch(library, revision)
    base = library.tree(target.head) if target.head is not None else None
    notes, writer, watcher = Notes(), library.writer(), progress or NoProgress()
    if sources[0].stdin:
        entries = _standard_input(writer, base, prefix, stdin or sys.stdin.buffer, watcher)
    else:
        kept_out = Ignoring(lambda path: base is not None and base.find(path) is not None) if ignoring else None
        entries = _local(library, writer, base, sources, prefix, notes, watcher, kept_out)
    root = edit_sorted(base, writer, entries)
    if target.head is not None and target.head.commit.root == root.ref.digest:
        return PutResult(target.head, False, notes.warnings(), notes.failures, writer.stats)
    stored = commit_tree(
        library,
        repo=target.repo,
        branch=target.branch,
        root=root,
        base=target.head,
        author=author or library.settings.author,
        message=message or _default_message(sources, prefix),
        record=msgspec.structs.replace(record, ended_ns=time.time_ns()) if record is not None else None,
        writer=writer,
    )
    return PutResult(stored, True, notes.warnings(), notes.failures, writer.stats)


def _check_words(revision: Revision, sources: list[Source], prefix: bytes) -> None:
    if not sources:
        raise UsageError(f"{revision}: nothing named to put")
    if revision.path:
        raise UsageError(f"{revision}: a put names a branch; --prefix says where in its tree")
    if any(source.stdin for source in sources):
        if len(sources) > 1:
            raise UsageError("-: standard input cannot be put together with other paths")
        if not prefix:
            raise UsageError("-: standard input has no name; --prefix gives it one")
    check_path(prefix)
    check_distinct(sources)


def _local(
    library: Library,
    writer: ContentWriter,
    base: Tree | None,
    sources: list[Source],
    prefix: bytes,
    notes: Notes,
    progress: Progress,
    ignoring: Ignoring | None,
) -> Iterator[Entry]:
    """The entries of local sources, in key order; the checks that need no reading are made at once."""
    guard = guard_of(library)
    for source in sources:
        guard.check_source(source.path, itself=not source.contents)
    starts = [start(source, prefix) for source in sources]
    for one in starts:
        if one.directory is None:
            _check_no_directory(base, one.found.at)
    own = any(source.contents for source in sources)
    parents = _parents(base, prefix, own=own)
    progress.start(None)
    found = found_below(starts, Walk(notes, guard, ignoring))
    return chain(parents, ingest(writer, found, notes=notes, progress=progress, jobs=library.settings.jobs))


def _standard_input(
    writer: ContentWriter, base: Tree | None, path: bytes, stdin: BinaryIO, progress: Progress
) -> Iterator[Entry]:
    _check_no_directory(base, path)
    parents = _parents(base, path.rpartition(b"/")[0], own=False)
    progress.start(None)
    return chain(parents, _streamed(writer, path, stdin, progress))


def _streamed(writer: ContentWriter, path: bytes, stdin: BinaryIO, progress: Progress) -> Iterator[Entry]:
    def read(size: int) -> bytes:
        data = stdin.read(size)
        progress.advance(len(data), 0)
        return data

    try:
        result = writer.put_stream(read)
    except OSError as error:
        raise local_error("standard input", "read", error) from error
    progress.advance(0, 1)
    yield Entry(
        path=path,
        kind=Kind.FILE,
        mode=FILE_MODE,
        mtime_ns=time.time_ns(),
        size=result.size,
        digest=result.digest,
        content=result.content,
    )


def _parents(base: Tree | None, path: bytes, *, own: bool) -> list[Entry]:
    """The directories above `path`, and `path` itself unless it has an entry of its `own`, that are still missing."""
    parts = path.split(b"/") if path else []
    paths = [b"/".join(parts[:depth]) for depth in range(len(parts) + 1)]
    now = time.time_ns()
    missing = [place for place in paths if not _is_directory(base, place)]
    return [
        Entry(path=place, kind=Kind.DIR, mode=DIR_MODE, mtime_ns=now)
        for place in missing
        if not (own and place == path)
    ]


def _is_directory(base: Tree | None, path: bytes) -> bool:
    entry = base.find(path) if base is not None else None
    if entry is not None and entry.kind is not Kind.DIR:
        raise NotADirectory(f"{printable(path)}: not a directory in the branch, so nothing can be put below it")
    return entry is not None


def _check_no_directory(base: Tree | None, path: bytes) -> None:
    entry = base.find(path) if base is not None else None
    if entry is not None and entry.kind is Kind.DIR:
        raise IsADirectory(f"{printable(path)}: a directory in the branch; remove it first to put a file in its place")


def _default_message(sources: list[Source], prefix: bytes) -> str:
    names = [printable(source.name or source.path) for source in sources[:_NAMED]]
    if sources and sources[0].stdin:
        return f"put {printable(prefix)}"
    more = len(sources) - _NAMED
    return f"put {', '.join(names)}" + (f" and {more} more" if more > 0 else "")
