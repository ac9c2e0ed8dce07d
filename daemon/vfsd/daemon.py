"""Everything one mount is made of, built once and in order; and what it says of itself."""

from __future__ import annotations

import contextlib
import os
import time
from types import TracebackType
from typing import Self

import vfs
from vfs.content.cache.opening import open_cache
from vfs.control.place import DaemonInfo, Place
from vfs.control.protocol import Status
from vfs.control.spec import MountSpec
from vfs.errors import VfsError
from vfs.metrics.counters import Registry
from vfs.metrics.names import BUILD, STARTED, UP
from vfs.model.commit import decode_commit
from vfs.repo.library import Library
from vfs.store.breaker import BreakerStore
from vfs.store.local import local_store
from vfs.store.measured import MeasuredStore
from vfs.store.open import open_soon
from vfs.store.protocol import Store
from vfsd.filesystem import build_filesystem
from vfsd.levers import Means, levers
from vfsd.lineage import open_lineage
from vfsd.meters import Meters
from vfsd.patience import Patience
from vfsd.trees import Trees
from vfsd.troubles import Troubles


class Daemon:
    """The parts of a mount that need no kernel: store, file system, journal, counters. A context manager.

    Building it may wait for the store, and fails as the store, the repo or the journal does.
    """

    def __init__(self, spec: MountSpec, place: Place) -> None:
        self.spec = spec
        self.place = place
        self.state = "serving"
        self.means = Means()
        self.counters = Registry()
        self.troubles = Troubles()
        self.meters = Meters(self.counters, self.troubles)
        self.patience = Patience()
        self._ends = contextlib.ExitStack()
        with contextlib.ExitStack() as ends:
            store = _store(spec, self.counters, self.troubles)
            cache = open_cache(spec.settings, warn=self.troubles.note)
            self.local = local_store(store)
            self.library = Library(store, spec.settings, cache=cache)
            ends.callback(self.library.close)
            _recall(self.library, spec)
            trees = Trees(self.library, self.patience, self.counters)
            self.file_system = build_filesystem(spec, trees)
            self.blobs = trees.blobs
            self.prefetcher = trees.prefetcher(self.troubles.note)
            ends.callback(self.prefetcher.close)
            self.lineage = open_lineage(spec, self.counters)
            ends.callback(self._end_lineage)
            self._ends = ends.pop_all()
        self.info = DaemonInfo(os.getpid(), time.time_ns(), vfs.__version__, self.lineage.session)
        self.place.write_daemon(self.info)
        self.counters.gauge(BUILD, vfs.__version__).set(1)
        self.counters.gauge(STARTED).set(self.info.started_ns / 1e9)

    @property
    def target(self) -> str:
        """Where the commit itself is mounted: below the layer, if there is one."""
        return self.place.lower if self.spec.layer else self.spec.mountpoint

    def _end_lineage(self) -> None:
        try:
            self.lineage.close()
        except VfsError as error:
            self.troubles.note(f"journal: {error}")

    def _lost(self) -> int:
        try:
            return self.lineage.lost()
        except VfsError as error:
            self.troubles.note(f"journal: {error}")
            return 0

    def refresh(self) -> None:
        """Bring up to date what is not counted as it happens. Waits for the journal."""
        self._lost()
        self.counters.gauge(UP).set(1.0 if self.state == "serving" else 0.0)

    def stats(self) -> dict[str, float]:
        """All metrics by name and labels; of a histogram, its sum of seconds. Waits for the journal."""
        self.refresh()
        found = {}
        for sample in self.counters.samples():
            labels = ",".join(sample.labels)
            found[f"{sample.metric.name}{{{labels}}}" if labels else sample.metric.name] = float(sample.value)
        return found

    def status(self, *, waiting: int) -> Status:
        """How the mount is; `waiting`: requests that wait for the store. Waits for the journal."""
        return Status(
            id=self.spec.id,
            mountpoint=self.spec.mountpoint,
            kind=self.spec.kind,
            title=self.spec.title,
            pid=self.info.pid,
            version=self.info.version,
            started_ns=self.info.started_ns,
            state=self.state,
            session=self.lineage.session,
            read_only=self.spec.read_only,
            lineage=self.lineage.state,
            lost=self._lost(),
            waiting=waiting,
            levers=levers(self.means),
            operations=self.meters.counts(),
            troubles=self.troubles.newest_first(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ends.close()


def _store(spec: MountSpec, counters: Registry, troubles: Troubles) -> Store:
    """The store of a mount: counted, and given up at once while it is out of reach."""
    store = open_soon(spec.settings.store, spec.settings, marker=spec.marker)
    return MeasuredStore(BreakerStore(store, said=troubles.note), counters)


def _recall(library: Library, spec: MountSpec) -> None:
    """Take the commits that the spec holds as read; what is wrong with one shows when it is read from the store."""
    for view in spec.views:
        with contextlib.suppress(VfsError):
            if view.stored:
                stored = decode_commit(bytes.fromhex(view.commit), view.stored)
                library.commits.put((view.repo, stored.id), stored)
