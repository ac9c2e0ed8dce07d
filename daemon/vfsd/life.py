"""The life of a mount: it comes up, answers, is asked to end or is unmounted, drains, and is gone."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable
from functools import partial

import structlog
import trio

from vfs.control.dead import is_dead
from vfs.control.holders import describe, holders
from vfs.control.mountinfo import OVERLAY_TYPES, mount_at
from vfs.control.protocol import Request
from vfs.control.unmount import unmount
from vfs.errors import Busy, DaemonError, VfsError
from vfs.files.private import private_dir
from vfs.workspace.layer import Layer
from vfs.workspace.overlay import Overlay, mount_overlay
from vfsd.again import Again
from vfsd.ahead import Ahead
from vfsd.bring import Bringer
from vfsd.control import ControlServer
from vfsd.daemon import Daemon
from vfsd.eager import Eager, why_not
from vfsd.fuse import Asked, Operations
from vfsd.interrupts import Interrupts
from vfsd.levers import raise_readahead
from vfsd.listening import listen_loopback, listen_unix
from vfsd.metrics import CounterCollector, MetricsServer
from vfsd.mount import FuseMount, device_of, mount_options, push_pages
from vfsd.names_ahead import MountLister, NamesAhead
from vfsd.notify import notify
from vfsd.push import Pusher
from vfsd.shim import SHIM
from vfsd.threads import Threads
from vfsd.through import reported_through

# Reads of a store far away sleep most of the time; more threads than this only take the event loop's turn.
THREADS = 8
# How long users of the mount are given to let go once it is to end.
DRAIN_SECONDS = 10.0
_LOOK_AGAIN = 0.1
# How soon an overlay that was unmounted by hand is missed.
_WATCH_SECONDS = 1.0
# The store's own deadline comes first, with a better message.
_MARGIN_SECONDS = 2.0
_LOCAL_SECONDS = 30.0

# Objects made until the collector looks for cycles among them, of which requests leave few. With 700 it took a tenth
# of the time in which opens are recorded.
_COLLECT_AFTER = 20_000

log = structlog.get_logger("vfsd")


class Life:
    """One mount from its first request to its last. Belongs to the event loop.

    `_gone` is set when the kernel has let go of the mount; `_asked` when it is to end. Whichever comes first,
    `run` returns with nothing left in the kernel's table.
    """

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._threads = Threads(THREADS)
        self._asked = trio.Event()
        self._gone = trio.Event()
        self._hasty = False
        self._overlay: Overlay | None = None
        self._failure: VfsError | None = None
        self._up = False
        daemon.patience.hurry_this_thread()
        self._interrupts = Interrupts(SHIM)
        self._pusher = Pusher(push_pages, daemon.counters, refused=self._note_refused)
        self._names = NamesAhead(MountLister(daemon.target))
        bringer = Bringer(daemon.prefetcher, daemon.blobs, self._pusher)
        again = Again(daemon.spec, daemon.file_system, bringer, daemon.means)
        self._ahead = Ahead(daemon.file_system, daemon.prefetcher, bringer, again, self._names)
        again.begin()
        # Without the shim a handle that was never given could not be told from another. Refs in `--all` move.
        self._asks = Asked(
            opens=bool(SHIM.missing) or daemon.lineage.needs_opens,
            listings=bool(SHIM.missing) or daemon.lineage.needs_opens or daemon.spec.kind == "all",
        )
        if daemon.spec.kind != "all":
            SHIM.keep_listings()
        self._eager: Eager | None = None
        self._mount = self._made_mount()

    def _note_refused(self, reason: str) -> None:
        self._daemon.means.pushed = reason

    def _made_mount(self) -> FuseMount:
        spec = self._daemon.spec
        if spec.layer:
            private_dir(self._daemon.target)
        operations = Operations(
            self._daemon.file_system,
            threads=self._threads,
            meters=self._daemon.meters,
            lineage=self._daemon.lineage,
            ahead=self._ahead,
            interrupts=self._interrupts,
            asked=self._asks,
            owner=(os.geteuid(), os.getegid()),
            deadline=spec.settings.timeout + _MARGIN_SECONDS,
        )
        mount = FuseMount(operations, self._daemon.target, mount_options(spec))
        self._look_ahead(operations)
        return mount

    def _look_ahead(self, operations: Operations) -> None:
        """Have requests looked for without sleep where that is of use."""
        reason = f"shim {SHIM.missing}" if SHIM.missing else why_not()
        self._daemon.means.eager = f"off: {reason}" if reason else "on"
        look, threads = SHIM.look, self._threads
        if look is None or reason:
            return
        self._eager = operations.eager = Eager(look, threads)
        trio.lowlevel.add_instrument(self._eager)
        local = self._daemon.local
        if local is not None:
            local.linger.heed(lambda: threads.waiting > 0 or look(0))

    async def run(self, on_ready: Callable[[], None]) -> None:
        """Serve until the mount is gone; `on_ready` is called once it answers. Errors of coming up are raised."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._heed_signals)
                nursery.start_soon(self._interrupts.listen)
                nursery.start_soon(self._serve, nursery.cancel_scope)
                try:
                    await self._come_up(nursery)
                    self._say_up()
                    _spare_collector()
                    on_ready()
                except VfsError as error:
                    self._failure = error
                    nursery.cancel_scope.cancel()
                else:
                    self._up = True
                    await self._until_asked(nursery.cancel_scope)
        finally:
            self._let_go()
        if self._failure is not None:
            raise self._failure
        if not self._up:
            raise DaemonError(f"{self._daemon.spec.mountpoint}: unmounted before it was ready")

    def _say_up(self) -> None:
        spec = self._daemon.spec
        log.info(
            "mounted",
            mountpoint=spec.mountpoint,
            title=spec.title,
            kind=spec.kind,
            session=self._daemon.lineage.session,
        )

    async def _serve(self, everything: trio.CancelScope) -> None:
        try:
            await self._mount.serve()
        except Exception as error:
            log.error("the connection to the kernel failed", exc_info=error)
            self._failure = DaemonError(f"{self._daemon.spec.mountpoint}: the connection to the kernel failed: {error}")
        log.info("unmounted", mountpoint=self._daemon.spec.mountpoint)
        self._gone.set()
        everything.cancel()

    async def _come_up(self, nursery: trio.Nursery) -> None:
        spec = self._daemon.spec
        await self._threads.run(os.statvfs, _LOCAL_SECONDS, self._daemon.target)
        self._daemon.means.readahead = raise_readahead(device_of(self._daemon.target))
        if not spec.layer:
            await self._spare_opens()
        else:
            layer = Layer(spec.layer)
            await self._threads.run(layer.add_session, _LOCAL_SECONDS, self._daemon.lineage.session)
            self._overlay = await self._threads.run(
                mount_overlay, _LOCAL_SECONDS, self._daemon.target, layer, spec.mountpoint
            )
            nursery.start_soon(self._watch_overlay)
            # Before the writers: their closes are told after the reads before them.
            await self._spare_opens()
            watch = partial(self._daemon.lineage.watch_layer, spec.mountpoint, os.fspath(layer.upper))
            log.info("writers", recorded=await self._threads.run(watch, _LOCAL_SECONDS) or "on")
        self._open_doors(nursery)
        if spec.owner_pid:
            nursery.start_soon(self._watch_owner, spec.owner_pid)

    async def _spare_opens(self) -> None:
        """Leave opens to the kernel where nobody needs the requests, or the kernel reports them as well."""
        means, lineage = self._daemon.means, self._daemon.lineage
        missing = f"off: shim {SHIM.missing}" if SHIM.missing else ""
        if missing or (self._daemon.spec.overlaid and lineage.needs_opens):
            means.reports = missing or "off: the overlay is another's"
        else:
            prepare = partial(lineage.prepare, through=self._reported_through if self._overlay is not None else None)
            queue = await self._threads.run(prepare, _LOCAL_SECONDS, self._daemon.target)
            if queue is not None:
                lineage.watch(queue, self._daemon.file_system)
            means.reports = lineage.unreported or "on"
        self._asks.opens = bool(missing) or lineage.needs_opens
        self._asks.listings = self._asks.opens or self._daemon.spec.kind == "all"
        means.opens = missing or ("off: each open is a request, for lineage" if lineage.needs_opens else "on")
        means.listings = missing or ("off: refs move" if self._daemon.spec.kind == "all" else "on")

    def _reported_through(self) -> bool:
        return reported_through(self._daemon.spec.mountpoint, self._daemon.target, self._daemon.file_system)

    def _open_doors(self, nursery: trio.Nursery) -> None:
        place, port = self._daemon.place, self._daemon.spec.metrics_port
        actions = {
            "status": self._status,
            "stats": self._stats,
            "flush": self._flush,
            "stop": self._stop,
            "watch": self._watch_run,
        }
        control = ControlServer(place.control, actions)
        listeners = [listen_unix(place.metrics), *([listen_loopback(port)] if port else [])]
        collector = CounterCollector(self._daemon.counters, self._daemon.refresh)
        nursery.start_soon(control.serve)
        nursery.start_soon(MetricsServer(collector, self._threads, listeners).serve)

    async def _status(self, request: Request) -> object:
        waiting = self._threads.waiting
        return await self._threads.run(lambda: self._daemon.status(waiting=waiting), _LOCAL_SECONDS)

    async def _stats(self, request: Request) -> object:
        return await self._threads.run(self._daemon.stats, _LOCAL_SECONDS)

    async def _flush(self, request: Request) -> object:
        await self._threads.run(self._daemon.lineage.flush, _LOCAL_SECONDS)
        return None

    async def _watch_run(self, request: Request) -> object:
        lineage = self._daemon.lineage
        watch = partial(lineage.watch_run, request.pid, outside=request.outside)
        if request.upper:
            watch = partial(lineage.watch_shell, request.pid, request.shown, request.upper)
        return await self._threads.run(watch, _LOCAL_SECONDS)

    async def _stop(self, request: Request) -> object:
        if request.lazy:
            await self._threads.run(self._detach, _LOCAL_SECONDS, True)
        else:
            self._asked.set()
        return None

    async def _heed_signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            async for number in signals:
                log.info("asked to end", signal=signal.Signals(number).name)
                self._hasty = self._asked.is_set()
                self._asked.set()

    async def _watch_owner(self, pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._asked.set()
            return
        try:
            await trio.lowlevel.wait_readable(fd)
            self._asked.set()
        finally:
            os.close(fd)

    async def _watch_overlay(self) -> None:
        while True:
            await trio.sleep(_WATCH_SECONDS)
            at = mount_at(self._daemon.spec.mountpoint)
            if at is None or at.type not in OVERLAY_TYPES:
                self._asked.set()
                return

    async def _until_asked(self, everything: trio.CancelScope) -> None:
        await self._asked.wait()
        self._daemon.state = "stopping"
        notify("STOPPING=1")
        end = trio.current_time() + DRAIN_SECONDS
        if await self._drain(end):
            # Whoever holds what was detached before is given the rest of the time, too.
            with trio.move_on_at(end):
                await self._gone.wait()
        everything.cancel()

    async def _drain(self, end: float) -> bool:
        """Unmount as soon as nobody uses the mount; at the time `end` say who does, and detach it. Whether unused."""
        while True:
            try:
                await self._threads.run(self._detach, _LOCAL_SECONDS, False)
                return True
            except Busy:
                if trio.current_time() >= end or self._hasty:
                    break
            except VfsError as error:
                self._daemon.troubles.note(f"unmount: {error}")
                break
            await trio.sleep(_LOOK_AGAIN)
        point = self._daemon.spec.mountpoint
        who = await self._threads.run(lambda: describe(holders(point)), _LOCAL_SECONDS)
        log.warning("detached while in use", mountpoint=point, holders=who)
        notify(f"STATUS={point}: detached while {who}")
        return False

    def _detach(self, lazy: bool) -> None:
        """Undo the mounts, topmost first; Busy."""
        if self._overlay is not None:
            self._overlay.unmount(lazy=lazy)
        unmount(self._daemon.target, lazy=lazy)

    def _let_go(self) -> None:
        """Leave nothing in the kernel's table. The connection goes first, so that nobody waits for an answer."""
        self._names.close()
        if self._eager is not None:
            trio.lowlevel.remove_instrument(self._eager)
        # While a push is under way the session must stay: the end of this process ends both.
        if self._pusher.close():
            self._mount.close()
        with contextlib.suppress(VfsError):
            if self._overlay is not None:
                self._overlay.unmount(lazy=True)
        with contextlib.suppress(VfsError):
            at = mount_at(self._daemon.target)
            if at is not None and is_dead(at):
                unmount(at.point, lazy=True)


def _spare_collector() -> None:
    """What a mount is made of stays until its end: the collector of cycles goes through it no more."""
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
