"""The content side of `verify`: files read in groups, each chunk and each whole file hashed."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from blake3 import blake3

from vfs.content.limits import place
from vfs.errors import Corrupt, ObjectMissing, VfsError
from vfs.model.entry import BlobRef, ChunkList, Entry, Kind
from vfs.model.ids import digest_of
from vfs.model.names import printable
from vfs.repo.library import Library

# What cannot be told from damage; anything else (no network, no permission) ends the run.
DAMAGE = (Corrupt, ObjectMissing)
# Content read as one step.
STEP_BYTES, STEP_NAMES = 8 << 20, 2048
_ZEROS = bytes(1 << 20)


class Outcome(msgspec.Struct, frozen=True):
    """What the reading of one file gave: the chunks that are right, and (object, error) of what is not."""

    refs: list[BlobRef]
    errors: list[tuple[str, VfsError]]


def steps(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    """`entries` in groups that are read together."""
    step: list[Entry] = []
    size = 0
    for entry in entries:
        step.append(entry)
        size += entry.size
        if size >= STEP_BYTES or len(step) >= STEP_NAMES:
            yield step
            step, size = [], 0
    if step:
        yield step


def read_step(library: Library, step: list[Entry]) -> tuple[list[Entry], list[Outcome]]:
    """The entries of a step and what reading each of them gave; in any thread."""
    small = [entry for entry in step if isinstance(entry.content, ChunkList) and entry.size < STEP_BYTES]
    _fetch_ahead(library, small)
    return step, [_check_file(library, entry) for entry in step]


def _fetch_ahead(library: Library, entries: list[Entry]) -> None:
    """Bring the chunks of many small files into memory in few requests; what fails is met again one by one."""
    try:
        library.blobs.get_many([ref for entry in entries for ref in library.files.chunks(entry) if ref.digest])
    except DAMAGE:
        return


def _check_file(library: Library, entry: Entry) -> Outcome:
    if entry.kind is not Kind.FILE:
        return Outcome([], [])
    name = printable(entry.path)
    if isinstance(entry.content, bytes):
        wrong = digest_of(entry.content) != entry.digest or len(entry.content) != entry.size
        cause = Corrupt(f"{name}: its bytes in the tree do not hash to its digest")
        return Outcome([], [(name, cause)] if wrong else [])
    outcome = Outcome([], [])
    hasher = blake3(max_threads=1)
    try:
        for ref in library.files.chunks(entry):
            if not ref.digest:
                _hash_zeros(hasher, ref.length)
            elif (data := _chunk(library, ref, outcome)) is not None:
                hasher.update(data)
    except DAMAGE as error:
        outcome.errors.append((str(error).partition(": ")[0], error))
    if not outcome.errors and hasher.digest() != entry.digest:
        outcome.errors.append((name, Corrupt(f"{name}: its chunks together do not hash to its digest")))
    return outcome


def _chunk(library: Library, ref: BlobRef, outcome: Outcome) -> bytes | None:
    try:
        data = library.blobs.get(ref)
    except DAMAGE as error:
        outcome.errors.append((place(ref), error))
        return None
    outcome.refs.append(ref)
    return data


def _hash_zeros(hasher: blake3, length: int) -> None:
    while length > 0:
        hasher.update(_ZEROS[:length])
        length -= len(_ZEROS)
