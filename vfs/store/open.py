"""From a URL to a store: opening one that exists, making one that does not."""

from __future__ import annotations

import os

from vfs.config.settings import Settings
from vfs.errors import StoreError, StoreMissing
from vfs.files.translate import cause_of
from vfs.store.compared import ComparedStore
from vfs.store.local import LocalStore
from vfs.store.marked import MarkedStore
from vfs.store.marker import Marker, ensure_marker, read_marker
from vfs.store.probe import lack_of_conditions
from vfs.store.protocol import Store
from vfs.store.translate import translating
from vfs.store.url import S3URL, FileURL, parse_url


def open_store(url: str, settings: Settings) -> Store:
    """The store at `url`, its format checked.

    StoreMissing when there is none, StoreFormat when another version wrote it, StoreDenied, StoreTimeout.
    """
    place = parse_url(url)
    if isinstance(place, FileURL):
        _must_be_there(place.path)
    store = _connect(place, settings)
    return _with_refs(store, read_marker(store))


def open_soon(url: str, settings: Settings, *, marker: Marker | None = None) -> Store:
    """As `open_store`; of a store far away the marker is read meanwhile, and the first call says what is wrong with it.

    `marker`: what is known of it already, which is then not read again.
    """
    place = parse_url(url)
    if isinstance(place, FileURL):
        return open_store(url, settings)
    return MarkedStore(_connect(place, settings), marker)


def create_store(url: str, settings: Settings, *, unsafe: bool = False) -> Store:
    """A store at `url`, made when there is none; an existing one is opened and left as it is.

    A bucket must exist already. StoreError when the place cannot carry a store; `unsafe`: carry one even
    without conditional writes, which the marker then says.
    """
    place = parse_url(url)
    if isinstance(place, FileURL):
        _make_directory(place.path)
    store = _connect(place, settings)
    try:
        marker = read_marker(store)
    except StoreMissing:
        marker = _made(store, unsafe)
    return _with_refs(store, marker)


def _made(store: Store, unsafe: bool) -> Marker:
    lack = lack_of_conditions(store)
    if not lack:
        return ensure_marker(store)
    if not unsafe:
        raise StoreError(
            f"{store.url}: two hosts could overwrite each other's commits, --unsafe makes a store all the same: {lack}"
        )
    return ensure_marker(ComparedStore(store), unsafe=True)


def _with_refs(store: Store, marker: Marker) -> Store:
    return ComparedStore(store) if marker.unsafe else store


def _connect(place: FileURL | S3URL, settings: Settings) -> Store:
    if isinstance(place, FileURL):
        return LocalStore(place.path, timeout=settings.timeout)
    # boto3 takes a quarter of a second to import; local stores do without.
    from vfs.store.s3_store import SWEEP_AGE, S3Store

    return S3Store(place, settings.s3, timeout=settings.timeout, sweep_age=SWEEP_AGE)


def _must_be_there(path: str) -> None:
    try:
        is_directory = os.path.isdir(path) or not os.stat(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise StoreMissing(f"file://{path}: {cause_of(error)}; `vfs init file://{path}` makes a store") from error
    except OSError as error:
        raise StoreMissing(f"file://{path}: {cause_of(error)}") from error
    if not is_directory:
        raise StoreMissing(f"file://{path}: not a directory")


def _make_directory(path: str) -> None:
    with translating(f"file://{path}", "", "made"):
        os.makedirs(path, exist_ok=True)
