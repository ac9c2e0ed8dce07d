"""How much a reference may claim, and what a place in a store is called in messages.

References come from pages, pages from a store, and a store is not trusted: every length is checked
here before anything is allocated or requested for it.
"""

from __future__ import annotations

from vfs.errors import Corrupt
from vfs.model.entry import BlobRef
from vfs.model.ids import DIGEST_SIZE, PACK_ID_SIZE

KIB = 1 << 10
MIB = 1 << 20
# A file is cut between these sizes, around the average (see chunker).
CHUNK_MIN = 256 * 1024
CHUNK_AVERAGE = MIB
CHUNK_MAX = 4 * MIB
# The most raw bytes of one blob, chunk or page: what a reader is ready to allocate for it.
BLOB_MAX = 64 * MIB
# A pack is closed before it would grow past this; only a single larger blob makes a larger one.
PACK_MAX = 64 * MIB
# Far above any pack, far below what would overflow a signed 64-bit file offset.
OFFSET_MAX = 1 << 48


def place(ref: BlobRef) -> str:
    """`pack <hex> at <offset>`: the subject of every message about a blob."""
    return f"pack {ref.pack.hex()} at {ref.offset}"


def check_ref(ref: BlobRef) -> BlobRef:
    """`ref` if it can be that of a stored blob, else `Corrupt`. A hole is not a stored blob."""
    if len(ref.digest) != DIGEST_SIZE or len(ref.pack) != PACK_ID_SIZE:
        raise Corrupt(f"{place(ref)}: reference with {len(ref.digest)} bytes of digest and {len(ref.pack)} of pack id")
    if not 0 < ref.length <= BLOB_MAX or not 0 <= ref.offset <= OFFSET_MAX:
        raise Corrupt(f"{place(ref)}: reference to {ref.length} bytes, 1 to {BLOB_MAX} are possible")
    if not 0 < ref.stored <= ref.length + 1:
        raise Corrupt(f"{place(ref)}: reference to {ref.stored} stored bytes for {ref.length} raw ones")
    return ref
