"""Commits of a layer: where they go, what other writers did meanwhile, what a crash or a changing file does."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vfs.errors import Busy, Conflict, Refused, UsageError
from vfs.model.entry import Entry
from vfs.model.record import RunRecord
from vfs.model.revision import Revision, parse_revision
from vfs.repo.commits import read_record
from vfs.repo.refs import Refs
from vfs.repo.repos import create_repo
from vfs.repo.walk import Found
from vfs.workspace import writeback
from vfs.workspace.layer import Layer
from vfs.workspace.reading import Reading, _More

pytestmark = pytest.mark.root


def _other_writer(world, name: str, data: bytes) -> None:
    """Somebody else commits one file to data@main."""
    world.serial += 1
    place = world.top / f"other{world.serial}"
    (place / name).parent.mkdir(parents=True)
    (place / name).write_bytes(data)
    world.put(place)


def _content(world, revision: str) -> dict[bytes, bytes]:
    stored = world.resolved(revision).stored
    tree = world.library.tree(stored)
    return {entry.path: b"".join(world.library.files.stream(entry)) for entry in tree.walk() if entry.digest}


def _branches(world, repo: str) -> list[str]:
    return [ref.name for ref in Refs(world.library, repo).branches.list()]


def test_other_writers_changes_are_merged_and_stay_merged(world, source: Path) -> None:
    """The mount does not show what others committed meanwhile, and no later commit of it takes that back."""
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    _other_writer(world, "theirs", b"their file")
    first = world.commit(layer)
    assert _content(world, "data")[b"theirs"] == b"their file" and _content(world, "data")[b"mine"] == b"1"
    assert world.status(layer) == []
    (world.shown / "mine").write_bytes(b"22")
    (world.shown / "more").write_bytes(b"more")
    second = world.commit(layer)
    found = _content(world, "data")
    assert found[b"theirs"] == b"their file" and found[b"mine"] == b"22" and found[b"more"] == b"more"
    assert second.stored.commit.parents == (first.id,)
    assert [out.path for out in second.outputs] == [b"mine", b"more"]


def test_after_a_merge_a_change_of_what_others_changed_is_a_conflict(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    _other_writer(world, "dir/plain", b"theirs")
    world.commit(layer)
    (world.shown / "dir/plain").write_bytes(b"ours, on top of what was there before")
    with pytest.raises(Conflict, match="dir/plain"):
        world.commit(layer)
    assert _content(world, "data")[b"dir/plain"] == b"theirs"


def test_one_path_changed_by_both_is_a_conflict_and_changes_nothing(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "run.sh").write_bytes(b"ours")
    _other_writer(world, "run.sh", b"theirs")
    head = world.resolved().stored.id
    before = {path: path.read_bytes() for path in layer.upper.rglob("*") if path.is_file()}
    with pytest.raises(Conflict, match=r"run\.sh"):
        world.commit(layer)
    assert world.resolved().stored.id == head
    assert {path: path.read_bytes() for path in layer.upper.rglob("*") if path.is_file()} == before
    assert world.status(layer) == [("M", b"run.sh")]


def test_a_commit_that_died_before_it_was_remembered_is_found_on_the_branch(
    world, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    (world.shown / "run.sh").unlink()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Layer, "set_tip", die)
        with pytest.raises(KeyboardInterrupt):
            world.commit(layer)
    head = world.resolved().stored.id
    assert layer.tip() is None and b"mine" in _content(world, "data")
    again = world.commit(layer)
    assert not again.changed and again.id == head and world.resolved().stored.id == head
    assert world.status(layer) == []
    (world.shown / "mine").write_bytes(b"333")
    assert world.commit(layer).stored.commit.parents == (head,)


def test_a_commit_that_died_is_found_though_others_went_on(
    world, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    with monkeypatch.context() as patched:
        patched.setattr(Layer, "set_tip", lambda *_: None)
        world.commit(layer)
    _other_writer(world, "theirs", b"t")
    head = world.resolved().stored.id
    again = world.commit(layer)
    assert not again.changed and again.id == head
    (world.shown / "two").write_bytes(b"2")
    world.commit(layer)
    assert {b"mine", b"theirs", b"two"} <= set(_content(world, "data"))


def test_a_commit_to_another_branch_makes_it_and_the_layer_follows(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    main = world.resolved().stored.id
    (world.shown / "try").write_bytes(b"1")
    done = world.commit(layer, target=parse_revision("data@trial"))
    assert done.stored.commit.parents == (main,)
    assert world.resolved("data@main").stored.id == main and world.resolved("data@trial").stored.id == done.id
    assert world.status(layer) == []
    (world.shown / "try").write_bytes(b"22")
    again = world.commit(layer)
    assert world.resolved("data@trial").stored.id == again.id and again.stored.commit.parents == (done.id,)
    back = world.commit(layer, target=parse_revision("data@main"))
    assert _content(world, "data@main")[b"try"] == b"22" and back.stored.commit.parents == (main,)


def test_a_commit_to_a_branch_that_went_another_way_is_merged_from_where_they_parted(world, source: Path) -> None:
    world.put(source)
    Refs(world.library, "data").branches.create("side", world.resolved().stored.id)
    world.serial += 1
    place = world.top / f"side{world.serial}"
    place.mkdir()
    (place / "only-on-side").write_bytes(b"s")
    world.put(place, "data@side")
    layer = world.mount("data@main")
    (world.shown / "mine").write_bytes(b"1")
    (world.shown / "many/001.txt").unlink()
    world.commit(layer, target=parse_revision("data@side"))
    found = _content(world, "data@side")
    assert found[b"only-on-side"] == b"s" and found[b"mine"] == b"1" and b"many/001.txt" not in found


def test_a_commit_to_another_repo_starts_a_history_there_and_replaces_its_tree(world, source: Path) -> None:
    world.put(source)
    create_repo(world.library, "results")
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    first = world.commit(layer, target=parse_revision("results"))
    assert first.stored.commit.parents == () and _content(world, "results") == _content(world, "data") | {b"mine": b"1"}
    world.unmount()
    layer = world.mount()
    (world.shown / "other").write_bytes(b"2")
    second = world.commit(layer, target=parse_revision("results"))
    assert second.stored.commit.parents == (first.id,)
    assert _content(world, "results") == _content(world, "data") | {b"other": b"2"}


def test_a_mount_of_a_tag_says_that_a_branch_is_needed(world, source: Path) -> None:
    world.put(source)
    Refs(world.library, "data").tags.create("v1", world.resolved().stored.id)
    layer = world.mount("data@v1")
    (world.shown / "mine").write_bytes(b"1")
    with pytest.raises(UsageError, match="-o REPO@BRANCH"):
        world.commit(layer)
    with pytest.raises(Refused, match="tag"):
        world.commit(layer, target=parse_revision("data@v1"))
    with pytest.raises(UsageError, match="not to a path"):
        world.commit(layer, target=Revision("data", "main", path=b"dir"))
    assert world.commit(layer, target=parse_revision("data@from-v1")).changed
    assert _branches(world, "data") == ["from-v1", "main"]


def test_a_second_commit_reads_only_what_changed_since(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "large").write_bytes(os.urandom(3_000_000))
    world.commit(layer)
    os.utime(layer.upper / "large", ns=(1, os.stat(layer.upper / "large").st_mtime_ns))
    world.commit(layer)
    watcher = _Watcher()
    (world.shown / "small").write_bytes(b"s")
    done = world.commit(layer, progress=watcher)
    assert [out.path for out in done.outputs] == [b"small"] and watcher.bytes == 1


def test_a_renamed_directory_is_committed_without_reading_what_is_in_it(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "move").rename(world.shown / "moved")
    (world.shown / "big").chmod(0o640)
    watcher = _Watcher()
    done = world.commit(layer, progress=watcher)
    assert watcher.bytes == 0
    paths = [out.path for out in done.outputs]
    assert paths == [b"big", b"move", b"moved", b"moved/one", b"moved/two", b"moved/two/three"]


def test_the_record_says_which_paths_were_made(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    (world.shown / "dangling").unlink()
    record = RunRecord(
        kind="mount", command=(b"vfs", b"commit"), cwd=b"/", exit_code=0, started_ns=1, ended_ns=0,
        user="u", host="h", version="1",
    )  # fmt: skip
    done = world.commit(layer, record=record, author="someone@somewhere")
    sealed = read_record(world.library, done.stored)
    assert sealed is not None and sealed.ended_ns > 1
    assert [(out.path, bool(out.digest)) for out in sealed.outputs] == [(b"dangling", False), (b"mine", True)]
    assert done.stored.commit.author == "someone@somewhere" and done.stored.commit.message == "test"


def test_a_file_that_keeps_changing_is_named_and_nothing_is_committed(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    target, stop = world.shown / "busy", threading.Event()
    target.write_bytes(b"x" * 8_000_000)
    (world.shown / "calm").write_bytes(b"calm")
    head = world.resolved().stored.id

    def scribble() -> None:
        with open(target, "r+b") as file:
            while not stop.is_set():
                file.seek(0)
                file.write(os.urandom(64))
                file.flush()

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        with pytest.raises(Refused, match=r"mnt/busy: it changed each time it was read; nothing was committed"):
            world.commit(layer)
    finally:
        stop.set()
        writer.join()
    assert world.resolved().stored.id == head
    assert world.round_trip(layer).changed


def test_programs_at_work_during_a_commit_leave_whole_files_in_it(world, source: Path) -> None:
    """Files are written beside and renamed into place all the time; each one in the commit is one that was whole."""
    world.put(source)
    layer = world.mount()
    stop = threading.Event()

    def work(number: int) -> None:
        serial = 0
        while not stop.is_set():
            serial += 1
            name = world.shown / f"w{number}-{serial % 7}"
            part = world.shown / f"part{number}"
            part.write_bytes(f"{number}:{serial}|".encode() * 3000)
            part.rename(name)
            if serial % 3 == 0:
                (world.shown / f"w{number}-{(serial + 3) % 7}").unlink(missing_ok=True)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(5):
            try:
                world.commit(layer)
            except Refused as error:
                assert "part" in str(error) or "w" in str(error)
                continue
            for path, data in _content(world, "data").items():
                if path.startswith(b"w"):
                    one = data.partition(b"|")[0] + b"|"
                    assert data == one * 3000
    finally:
        stop.set()
        for worker in workers:
            worker.join()
    assert world.round_trip(layer) is not None


def _between_the_passes(monkeypatch: pytest.MonkeyPatch, change: Callable[[int], None]) -> None:
    """Call `change` with 1, 2, … each time a reading is between looking for what is gone and for what is there."""
    calls = 0
    first_pass = Reading._first_pass

    def then_change(self: Reading) -> list[Entry]:
        nonlocal calls
        calls += 1
        found = first_pass(self)
        change(calls)
        return found

    monkeypatch.setattr(Reading, "_first_pass", then_change)


def test_what_is_back_before_the_second_pass_is_in_the_commit(
    world, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(source)
    layer = world.mount()
    before = os.stat(world.shown / "move")
    shutil.rmtree(world.shown / "move")
    (world.shown / "many/001.txt").unlink()

    def come_back(_: int) -> None:
        (world.shown / "move").mkdir(mode=0o755)
        (world.shown / "move/other").write_bytes(b"other")
        os.utime(world.shown / "move", ns=(1, before.st_mtime_ns))
        (world.shown / "many/001.txt").write_bytes(b"again")

    _between_the_passes(monkeypatch, come_back)
    world.commit(layer)
    monkeypatch.undo()
    found = _content(world, "data")
    assert found[b"move/other"] == b"other" and b"move/one" not in found and found[b"many/001.txt"] == b"again"
    assert world.status(layer) == []
    assert world.library.tree(world.resolved().stored).get(b"move").mtime_ns == before.st_mtime_ns


def test_what_is_gone_before_the_second_pass_makes_the_layer_be_read_again(
    world, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")

    def remove_once(call: int) -> None:
        if call == 1:
            (world.shown / "many/001.txt").unlink()
            shutil.rmtree(world.shown / "dir")

    _between_the_passes(monkeypatch, remove_once)
    world.commit(layer)
    monkeypatch.undo()
    found = _content(world, "data")
    assert b"many/001.txt" not in found and b"dir/plain" not in found and found[b"mine"] == b"1"
    assert world.status(layer) == []


def test_a_mount_in_which_things_vanish_all_the_time_is_busy(
    world, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(source)
    layer = world.mount()
    head = world.resolved().stored.id
    _between_the_passes(monkeypatch, lambda call: (world.shown / f"many/{call:03}.txt").unlink())
    with pytest.raises(Busy, match=r"mnt/many/002\.txt: was removed while the layer was read"):
        world.commit(layer)
    assert world.resolved().stored.id == head


@pytest.mark.parametrize("moved", ["big", "run.sh", "dir/plain"])
def test_a_file_without_content_of_its_own_is_not_taken_for_zeros(
    world, source: Path, monkeypatch: pytest.MonkeyPatch, moved: str
) -> None:
    """Put in the place of another one just before that is read: what can be read of it then is zeros."""
    world.put(source)
    layer = world.mount()
    (world.shown / "zz").write_bytes(b"to be replaced")
    (world.shown / moved).chmod(0o600)
    to_read = _More.to_read

    def replaced(self: _More) -> Iterator[Found]:
        for found in to_read(self):
            if found.at == b"zz" and (world.shown / moved).exists():
                (world.shown / moved).rename(world.shown / "zz")
            yield found

    monkeypatch.setattr(_More, "to_read", replaced)
    world.commit(layer)
    monkeypatch.undo()
    assert _content(world, "data")[b"zz"] == (source / moved).read_bytes()
    # One that is walked after it was found gone, and then all was read again.
    assert world.status(layer) in ([], [("D", moved.encode())])
    world.round_trip(layer)


def test_two_commits_of_one_layer_wait_for_one_another(world, source: Path) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    done: list[bool] = []
    threads = [threading.Thread(target=lambda: done.append(world.commit(layer).changed)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, True]


def test_the_layer_is_written_back_before_it_is_read(world, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put(source)
    layer = world.mount()
    (world.shown / "mine").write_bytes(b"1")
    synced: list[int] = []
    real = writeback.syncfs
    monkeypatch.setattr(writeback, "syncfs", lambda fd: (synced.append(fd), real(fd))[1])
    world.commit(layer)
    assert len(synced) == 1


class _Watcher:
    """Counts bytes that were read."""

    def __init__(self) -> None:
        self.bytes = 0

    def start(self, total_bytes: int | None) -> None:
        self.bytes = 0

    def advance(self, bytes: int, files: int) -> None:
        self.bytes += bytes
