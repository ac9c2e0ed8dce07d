"""A store far away: what a walk needs is asked for at once, where this host knows the way."""

from __future__ import annotations

import threading
import time
from typing import Any

from journal_world import World, a_record, given

from vfs.journal.graph import CommitNode
from vfs.journal.lineage import down, up
from vfs.model.commit import StoredCommit
from vfs.repo.library import Library
from vfs.repo.repos import delete_repo
from vfs.store.protocol import Store

PUT = a_record(kind="put", command=(b"vfs", b"put"), level="none")
STEPS = 30


class FarStore:
    """A store whose every answer takes a while; `most` is how many were asked for at once."""

    def __init__(self, near: Store) -> None:
        self._near = near
        self.url = "s3://far/away"
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def get(self, key: str, *, start: int = 0, length: int | None = None) -> bytes:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.01)
        try:
            return self._near.get(key, start=start, length=length)
        finally:
            with self._lock:
                self._now -= 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._near, name)


def far(world: World) -> tuple[Library, FarStore]:
    store = FarStore(world.library.store)
    return Library(store, world.library.settings), store


def chain(world: World) -> tuple[StoredCommit, StoredCommit]:
    first = made = world.commit("chain", {b"f": b"0"}, record=PUT)
    for number in range(1, STEPS):
        record = a_record(given(made), world.read(made, b"f"))
        made = world.commit("chain", {b"f": b"%d" % number}, replace=True, record=record)
    return first, made


def commits_in(library: Library, world: World, stored: StoredCommit) -> int:
    return len([node for node in up(library, world.resolved(stored)).nodes if isinstance(node, CommitNode)])


def test_the_second_walk_upwards_fetches_many_steps_at_once(world: World) -> None:
    _, last = chain(world)
    library, store = far(world)
    assert commits_in(library, world, last) == STEPS
    alone = store.most
    library, store = far(world)
    assert commits_in(library, world, last) == STEPS
    assert alone <= 2 < store.most


def test_downwards_fetches_many_at_once(world: World) -> None:
    source = world.commit("src", {b"f": b"0"}, record=PUT)
    for number in range(STEPS):
        world.commit(f"made{number}", {b"o": b"o"}, record=a_record(given(source), world.read(source, b"f")))
    library, store = far(world)
    assert len(down(library, world.resolved(source, b"f")).affected()) == STEPS
    assert store.most > 2


def test_what_this_host_remembers_and_the_store_has_lost_is_shown_as_lost(world: World) -> None:
    source = world.commit("src", {b"f": b"0"}, record=PUT)
    made = world.commit("out", {b"o": b"o"}, record=a_record(given(source), world.read(source, b"f")))
    library, _ = far(world)
    assert commits_in(library, world, made) == 2
    delete_repo(world.library, "src", force=True)
    library, _ = far(world)
    lost = [node for node in up(library, world.resolved(made)).nodes if isinstance(node, CommitNode) and node.problem]
    assert [node.repo for node in lost] == ["src"]
