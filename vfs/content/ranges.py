"""Which ranges of packs to ask for, given the blobs that are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from vfs.content.limits import MIB
from vfs.model.entry import BlobRef

# Reading over a gap of this many bytes is cheaper than a second request.
GAP_MAX = MIB
# The most bytes of one request: larger ones gain nothing and make everyone wait for the whole.
RANGE_MAX = 16 * MIB


class Range(msgspec.Struct, frozen=True):
    """One request: `length` bytes from `start` of a pack, which hold `refs` in order of offset."""

    pack: bytes
    start: int
    length: int
    refs: tuple[BlobRef, ...]


def join_ranges(refs: Iterable[BlobRef]) -> Iterator[Range]:
    """The fewest requests for `refs`: neighbours joined over gaps up to 1 MiB, up to 16 MiB a request."""
    group: list[BlobRef] = []
    end = 0
    for ref in sorted(refs, key=lambda ref: (ref.pack, ref.offset)):
        after = ref.offset + ref.stored
        if group and not (
            ref.pack == group[0].pack and ref.offset <= end + GAP_MAX and after <= group[0].offset + RANGE_MAX
        ):
            yield _range(group, end)
            group, end = [], 0
        group.append(ref)
        end = max(end, after)
    if group:
        yield _range(group, end)


def _range(group: list[BlobRef], end: int) -> Range:
    start = group[0].offset
    return Range(group[0].pack, start, end - start, tuple(group))
