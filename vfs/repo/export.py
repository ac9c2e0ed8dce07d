"""`vfs export`: what a revision names as ordinary files, with modes, mtimes, xattrs, symlinks, hard links and holes.

Small files are fetched in groups, so a directory of them costs a few requests; large ones are
streamed with read-ahead. Nothing that exists is overwritten.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial

import msgspec

from vfs.concurrency.pool import ordered_map
from vfs.errors import AlreadyExists, NotADirectory, NotFound
from vfs.files.translate import local_error
from vfs.model.entry import BlobRef, ChunkList, Entry, Kind
from vfs.model.names import printable
from vfs.repo.directory import Directory
from vfs.repo.library import Library
from vfs.repo.notes import Notes
from vfs.repo.placer import Placer
from vfs.repo.progress import NoProgress, Progress
from vfs.repo.resolve import Resolved
from vfs.tree.links import is_other_name

# Content fetched as one group, and how many groups are under way: 32 MiB in memory.
GROUP_BYTES, GROUP_NAMES, GROUPS_AHEAD = 8 << 20, 2048, 4


class Exported(msgspec.Struct, frozen=True):
    """What was written: names, and bytes of content. `warnings` are whole lines."""

    entries: int
    size: int
    warnings: tuple[str, ...]


class _Group(msgspec.Struct, frozen=True):
    """Entries with the chunks of their files; `chunks` is None for a single large file, still to be streamed."""

    entries: list[Entry]
    chunks: dict[BlobRef, bytes] | None


class _Names:
    """Files of several names on their way: the first that comes along is written, the others are linked to it."""

    def __init__(self) -> None:
        self._first: dict[bytes, Entry] = {}
        self._others: dict[bytes, tuple[bytes, Entry]] = {}

    def lightened(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """`entries`, those without content whose file has come along under another name."""
        for entry in entries:
            if entry.links is None:
                yield entry
                continue
            first = self._first.setdefault(entry.links.first, entry)
            if first is entry or not is_other_name(first, entry):
                yield entry
            else:
                self._others[entry.path] = (first.path, entry)
                yield msgspec.structs.replace(entry, size=0, content=b"")

    def taken(self, path: bytes) -> tuple[bytes, Entry] | None:
        """Of a name whose content was taken away: the path to link it to, and the entry as it was."""
        return self._others.pop(path, None)


def export(
    library: Library, resolved: Resolved, dest: str | bytes | os.PathLike[str], *, progress: Progress | None = None
) -> Exported:
    """Write what `resolved` names below `dest`, which is made or must be an empty directory.

    A directory's content goes into `dest`, which takes its mode and mtime; anything else lands in `dest`
    under its name. Errors: PathNotFound; AlreadyExists, NotADirectory, NotFound for `dest`; LocalIOError,
    Corrupt and StoreError, after which what was written stays.
    """
    tree = library.tree(resolved.stored)
    totals = tree.totals(resolved.path)
    watcher, notes = progress or NoProgress(), Notes()
    path = os.fsencode(dest)
    placer = Placer(_target(path), notes)
    watcher.start(totals.size)
    names = _Names()
    entries = names.lightened(_relative(tree.walk(resolved.path), resolved.path))
    groups = ordered_map(partial(_fetch, library), _groups(entries), workers=GROUPS_AHEAD, ahead=GROUPS_AHEAD)
    for group in groups:
        _place_all(library, placer, group, path, watcher, names)
    try:
        placer.finish()
    except OSError as error:
        raise local_error(path, "finished", error) from error
    return Exported(totals.entries, totals.size, notes.warnings())


def _target(path: bytes) -> Directory:
    """The directory to write into, made when absent."""
    try:
        os.mkdir(path, 0o777)
    except FileExistsError:
        pass
    except FileNotFoundError as error:
        raise NotFound(f"{printable(path)}: the directory above it does not exist") from error
    except OSError as error:
        raise local_error(path, "made", error) from error
    try:
        directory = Directory.at_path(path)
        names = directory.names()
    except NotADirectoryError as error:
        raise NotADirectory(f"{printable(path)}: not a directory") from error
    except OSError as error:
        raise local_error(path, "used", error) from error
    if names:
        raise AlreadyExists(f"{printable(path)}: not empty; an export overwrites nothing")
    return directory


def _relative(entries: Iterator[Entry], top: bytes) -> Iterator[Entry]:
    """`entries` with the paths they get below the target; a top that is no directory keeps its name."""
    for entry in entries:
        if entry.path == top and entry.kind is not Kind.DIR:
            yield msgspec.structs.replace(entry, path=entry.name)
        elif top:
            yield msgspec.structs.replace(entry, path=entry.path[len(top) + 1 :])
        else:
            yield entry


def _groups(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    size = 0
    for entry in entries:
        large = entry.kind is Kind.FILE and _is_large(entry)
        if group and (large or size + entry.size > GROUP_BYTES or len(group) >= GROUP_NAMES):
            yield group
            group, size = [], 0
        if large:
            yield [entry]
        else:
            group.append(entry)
            size += entry.size
    if group:
        yield group


def _is_large(entry: Entry) -> bool:
    """True for a file that is streamed: of many bytes, or with its chunk list in pages."""
    content = entry.content
    return entry.size > GROUP_BYTES or (isinstance(content, ChunkList) and content.level > 0)


def _fetch(library: Library, entries: list[Entry]) -> _Group:
    if len(entries) == 1 and _is_large(entries[0]):
        return _Group(entries, None)
    files = [entry for entry in entries if entry.kind is Kind.FILE]
    refs = [ref for entry in files for ref in library.files.chunks(entry) if ref.digest]
    return _Group(entries, dict(zip(refs, library.blobs.get_many(refs), strict=True)))


def _place_all(library: Library, placer: Placer, group: _Group, dest: bytes, progress: Progress, names: _Names) -> None:
    for entry in group.entries:
        other = names.taken(entry.path) if entry.links is not None else None
        try:
            if entry.kind is Kind.DIR:
                placer.directory(entry)
            elif entry.kind is Kind.SYMLINK:
                placer.symlink(entry)
            elif other is not None:
                if not placer.link(entry.path, other[0]):
                    placer.file(other[1], _pieces(library, other[1], None))
                progress.advance(other[1].size, 1)
            else:
                placer.file(entry, _told(_pieces(library, entry, group.chunks), progress))
                progress.advance(0, 1)
        except OSError as error:
            raise local_error(os.path.join(dest, entry.path), "written", error) from error


def _told(pieces: Iterable[bytes | int], progress: Progress) -> Iterator[bytes | int]:
    for piece in pieces:
        yield piece
        progress.advance(piece if isinstance(piece, int) else len(piece), 0)


def _pieces(library: Library, entry: Entry, chunks: dict[BlobRef, bytes] | None) -> Iterator[bytes | int]:
    """The content of a file as bytes and lengths of holes."""
    if isinstance(entry.content, bytes):
        yield entry.content
    elif chunks is not None:
        for ref in library.files.chunks(entry):
            yield chunks[ref] if ref.digest else ref.length
    else:
        for part in ordered_map(partial(_read, library), _steps(library.files.chunks(entry)), workers=3, ahead=3):
            yield from part


def _steps(refs: Iterable[BlobRef]) -> Iterator[list[BlobRef]]:
    step: list[BlobRef] = []
    size = 0
    for ref in refs:
        step.append(ref)
        size += ref.length if ref.digest else 0
        if size >= GROUP_BYTES:
            yield step
            step, size = [], 0
    if step:
        yield step


def _read(library: Library, refs: list[BlobRef]) -> list[bytes | int]:
    chunks = iter(library.blobs.get_many([ref for ref in refs if ref.digest]))
    return [next(chunks) if ref.digest else ref.length for ref in refs]
