"""Repos: made, listed, deleted. A repo exists as long as its `repo.json` does."""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from vfs.concurrency.pool import ordered_map
from vfs.errors import AlreadyExists, Conflict, Corrupt, ObjectMissing, Refused, RepoNotFound
from vfs.model.names import check_label, is_label
from vfs.repo.layout import REPOS, commits_prefix, heads_prefix, info_key, signatures_prefix, tags_prefix
from vfs.repo.library import Library

# More than any description needs; what is longer was not written by vfs.
_INFO_MAX = 1 << 20
# Repos asked for at a time: of a store far away each is a round trip.
_AT_A_TIME = 16
T = TypeVar("T")


class RepoInfo(msgspec.Struct, frozen=True):
    """What a repo says of itself. `created_ns` is nanoseconds since the epoch."""

    name: str
    description: str = ""
    created_ns: int = 0


def create_repo(library: Library, name: str, description: str = "") -> RepoInfo:
    """Make an empty repo; InvalidName, or AlreadyExists."""
    info = RepoInfo(check_label("repo", name), description, time.time_ns())
    try:
        library.store.swap(info_key(name), msgspec.json.encode(info), expected=None)
    except Conflict as error:
        raise AlreadyExists(f"repo {name}: exists already") from error
    return info


def repos(library: Library) -> Iterator[RepoInfo]:
    """All repos, by name. One that is deleted meanwhile may be in it or not."""
    return _asked(library, _found)


def repo_names(library: Library) -> Iterator[str]:
    """The names of all repos, in order. The cost is a small request for each, whatever its history."""
    return _asked(library, lambda library, name: name if has_repo(library, name) else None)


def has_repo(library: Library, name: str) -> bool:
    """Whether there is a repo of this name; InvalidName."""
    check_label("repo", name)
    try:
        return bool(library.store.get(info_key(name), length=1))
    except ObjectMissing:
        return False


def repo_info(library: Library, name: str) -> RepoInfo:
    """One repo; RepoNotFound naming the nearest names there are and the remedy, Corrupt."""
    check_label("repo", name)
    try:
        return _load(library, name)
    except ObjectMissing as error:
        raise RepoNotFound(_not_found(library, name)) from error


def delete_repo(library: Library, name: str, *, force: bool = False) -> None:
    """Remove a repo and its history. Refused when it has commits, unless `force`.

    Refs go first and `repo.json` last: a delete that was cut short leaves a repo that can be deleted again.
    """
    repo_info(library, name)
    if not force and any(library.store.list(commits_prefix(name))):
        raise Refused(f"repo {name}: has commits; --force deletes them")
    for prefix in (heads_prefix(name), tags_prefix(name)):
        for found in list(library.store.list(prefix)):
            _remove_ref(library, found.key)
    for prefix in (signatures_prefix(name), commits_prefix(name)):
        for found in list(library.store.list(prefix)):
            library.store.delete(found.key)
    _remove_ref(library, info_key(name))


def _remove_ref(library: Library, key: str) -> None:
    try:
        _, version = library.store.get_version(key)
        library.store.remove(key, expected=version)
    except ObjectMissing:
        return


def _load(library: Library, name: str) -> RepoInfo:
    data = library.store.get(info_key(name), length=_INFO_MAX)
    try:
        info = msgspec.json.decode(data, type=RepoInfo)
    except msgspec.MsgspecError as error:
        raise Corrupt(f"repo {name}: {info_key(name)} cannot be decoded: {error}") from error
    if info.name != name:
        raise Corrupt(f"repo {name}: {info_key(name)} is of a repo called {info.name[:100]!r}")
    return info


def _not_found(library: Library, name: str) -> str:
    names = list(_candidates(library))
    near = [one for one in difflib.get_close_matches(name, names, n=3, cutoff=0.5) if has_repo(library, one)]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    empty = "" if names else ", which has no repos yet"
    return f"repo {name}: not in the store{empty}{hint or ';'} vfs repo create {name} makes it"


def _asked(library: Library, ask: Callable[[Library, str], T | None]) -> Iterator[T]:
    """What `ask` says of each name that may be a repo's, in order, without None."""
    answers = ordered_map(lambda name: ask(library, name), _candidates(library), workers=_AT_A_TIME, ahead=_AT_A_TIME)
    with contextlib.closing(answers):
        yield from (answer for answer in answers if answer is not None)


def _candidates(library: Library) -> Iterator[str]:
    """The names below which the store has, or had, something of a repo."""
    folders = (name.removesuffix("/") for name in library.store.list_names(REPOS) if name.endswith("/"))
    return (name for name in folders if is_label(name))


def _found(library: Library, name: str) -> RepoInfo | None:
    try:
        return _load(library, name)
    except ObjectMissing:
        return None
