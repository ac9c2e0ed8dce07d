"""Layers that outlive their mounts: named by id, listed, shown elsewhere, and what their commits say of reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.errors import AmbiguousRevision, Busy, MountError, NotFound, Refused, UsageError
from vfs.journal.log import Journal
from vfs.journal.session import begin_session
from vfs.model.commit import InputCommit
from vfs.workspace.attach import attach_kept, attach_layer, shell_layer
from vfs.workspace.kept import kept_layers, unmounted_layers
from vfs.workspace.layer import Layer
from vfs.workspace.layers import layer_at, layer_called
from vfs.workspace.marks import Flavour
from vfs.workspace.overlay import claim_mount
from vfs.workspace.provenance import layer_record, layer_sessions
from vfs.workspace.status import find_layer
from vfs.workspace.volume import SIZE_MIN, limit_of


def _state(world) -> str:
    return world.library.settings.state_dir


def _write(layer: Layer, name: str, data: bytes) -> None:
    """Write as a mount would, where no mount is needed."""
    layer.set_flavour(Flavour.KERNEL)
    (layer.upper / name).write_bytes(data)


def test_a_layer_is_found_by_its_id_its_beginning_its_mount_point_and_its_directory(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    for word in (layer.id, layer.id[:4], str(world.shown), str(layer.directory)):
        assert find_layer(_state(world), word).id == layer.id
    for word in (layer.id[:3], layer.id + "0", "no such", "ABCD"):
        with pytest.raises(NotFound, match="no writable layer"):
            find_layer(_state(world), word)


def test_a_beginning_that_two_ids_share_is_refused(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    twin = layer.directory.with_name(layer.id[:15] + ("0" if layer.id[15] != "0" else "1"))
    twin.mkdir()
    (twin / "base.json").write_bytes((layer.directory / "base.json").read_bytes())
    with pytest.raises(AmbiguousRevision, match="the beginning of 2 ids"):
        layer_called(_state(world), layer.id[:15])
    found = layer_called(_state(world), layer.id)
    assert found is not None and found.id == layer.id


def test_the_layer_of_a_shell_is_that_of_no_mount_point(world, source: Path) -> None:
    world.put(source)
    layer = shell_layer(world.library, world.resolved(), str(world.shown))
    assert layer.base.shell and layer.name == layer.id
    assert layer_at(_state(world), str(world.shown)) is None
    assert world.layer().id != layer.id
    with pytest.raises(Refused, match="shows a whole tree"):
        shell_layer(world.library, world.resolved("data@main:dir"), str(world.shown))


def test_a_kept_layer_is_shown_in_another_directory(world, source: Path) -> None:
    world.put(source)
    layer = shell_layer(world.library, world.resolved(), "/pfs/data")
    _write(layer, "mine", b"1")
    world.shown.mkdir(exist_ok=True)
    attached = attach_kept(world.library, layer, str(world.shown))
    assert attached.resumed and attached.layer.id == layer.id
    again = attach_layer(world.library, world.resolved(), str(world.shown))
    assert again.layer.id == layer.id and again.resumed and not again.layer.base.shell
    assert again.layer.base.created_ns == layer.base.created_ns


def test_a_directory_with_changes_of_its_own_takes_no_other_layer(world, source: Path) -> None:
    world.put(source)
    own = world.layer()
    kept = shell_layer(world.library, world.resolved(), "/pfs/data")
    _write(kept, "kept", b"k")
    _write(own, "own", b"o")
    with pytest.raises(Refused, match="holds changes of its own"):
        attach_kept(world.library, kept, str(world.shown))
    assert Layer(kept.directory).base.shell
    world.commit(own)
    attach_kept(world.library, kept, str(world.shown))
    # What had been committed was dropped, as a mount of the directory would have done.
    assert [one.layer.id for one in kept_layers(_state(world))] == [kept.id]


def test_a_layer_in_use_is_neither_moved_nor_discarded(world, source: Path) -> None:
    world.put(source)
    layer = shell_layer(world.library, world.resolved(), "/pfs/data")
    lock = claim_mount(layer)
    for refused in (lambda: attach_kept(world.library, layer, str(world.shown)), layer.discard):
        with pytest.raises(Busy, match="is mounted"):
            refused()
    with pytest.raises(Busy, match="is mounted already"):
        claim_mount(Layer(layer.directory))
    lock.release()
    layer.discard()
    assert kept_layers(_state(world)) == []


def test_the_list_says_what_layers_hold_and_which_are_not_mounted(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    assert unmounted_layers(_state(world)) == []
    _write(layer, "file", b"x" * 100_000)
    os.link(layer.upper / "file", layer.upper / "second name")
    (one,) = kept_layers(_state(world))
    assert one.size is not None and 100_000 <= one.size < 200_000
    assert not one.mounted and not one.committed and one.age_seconds >= 0
    assert [found.id for found in unmounted_layers(_state(world))] == [layer.id]
    world.commit(layer)
    assert kept_layers(_state(world))[0].committed


def test_sessions_are_remembered_and_those_of_another_journal_passed_over(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    assert layer.sessions() == ()
    given = InputCommit("data", "data", layer.base.id)
    with Journal.open(_state(world)) as journal:
        record = layer_record(journal, layer, command=(b"vfs", b"commit"))
        assert (record.kind, record.inputs) == ("mount", (given,))
        sessions = [begin_session(journal, kind="mount", inputs=[given]) for _ in range(2)]
        for session in (sessions[0], "0" * 16, sessions[1], sessions[0]):
            layer.add_session(session)
        assert layer.sessions() == (sessions[0], "0" * 16, sessions[1])
        assert layer_sessions(journal, layer) == sessions
        assert layer_sessions(journal, layer, sessions[0]) == [sessions[1], sessions[0]]
        # The first session has no end: it was cut off, and what it had not written down is a gap.
        assert layer_record(journal, layer, command=(b"vfs", b"commit")).gaps == 1


def test_limits_are_checked_before_anything_is_made(world, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("1", "15MiB", "17TiB"):
        with pytest.raises(UsageError, match=r"from 16\.0 MiB to 16\.0 TiB"):
            limit_of(text)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(MountError, match="as root only"):
        limit_of(str(SIZE_MIN))


def test_a_layer_with_changes_is_not_given_another_limit(world, source: Path) -> None:
    world.put(source)
    layer = world.layer()
    _write(layer, "mine", b"1")
    with pytest.raises(Refused, match="its layer has no limit and holds changes"):
        attach_layer(world.library, world.resolved(), str(world.shown), max_size=SIZE_MIN)
    assert attach_layer(world.library, world.resolved(), str(world.shown)).layer.id == layer.id
