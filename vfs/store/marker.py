"""`vfs.json`, the object that makes a place a vfs store: its format and its id."""

from __future__ import annotations

import os
import re

import msgspec

from vfs.errors import Conflict, Corrupt, ObjectMissing, StoreFormat, StoreMissing
from vfs.store.protocol import Store

MARKER_KEY = "vfs.json"
STORE_FORMAT = 1
_ID = re.compile(r"[0-9a-f]{32}")
# A marker has some 60 bytes; what is longer was not written by vfs.
_LONGEST = 64 * 1024


class Marker(msgspec.Struct, frozen=True, omit_defaults=True):
    """What `vfs.json` says: the format number and the id of the store, 32 hex digits.

    `unsafe`: the service has no conditional writes, and whoever made the store accepted what follows.
    Later versions may add fields; only a format number this version does not know keeps it out.
    """

    format: int
    id: str
    unsafe: bool = False


def read_marker(store: Store) -> Marker:
    """The marker of `store`. StoreMissing without one, StoreFormat for another format, Corrupt for junk."""
    try:
        data = store.get(MARKER_KEY, length=_LONGEST)
    except ObjectMissing as error:
        raise StoreMissing(f"{store.url}: no vfs store here; `vfs init {store.url}` makes one") from error
    try:
        marker = msgspec.json.decode(data, type=Marker)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"{store.url}: {MARKER_KEY}: not the marker of a store: {error}") from error
    if marker.format != STORE_FORMAT:
        raise StoreFormat(
            f"{store.url}: store format {marker.format}, this version reads {STORE_FORMAT}; another vfs is needed"
        )
    if not _ID.fullmatch(marker.id):
        raise Corrupt(f"{store.url}: {MARKER_KEY}: the store id is not 32 hex digits")
    return marker


def ensure_marker(store: Store, *, unsafe: bool = False) -> Marker:
    """The marker of `store`, written when there is none. Two that do so at once get the same one."""
    try:
        return read_marker(store)
    except StoreMissing:
        marker = Marker(STORE_FORMAT, os.urandom(16).hex(), unsafe)
    try:
        store.swap(MARKER_KEY, msgspec.json.encode(marker), expected=None)
    except Conflict:
        return read_marker(store)
    return marker
