"""Many writers on one branch: real processes, real files, no lock between them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vfs.config.settings import Settings
from vfs.errors import Conflict, RevisionNotFound, StoreTimeout
from vfs.model.revision import parse_revision
from vfs.repo.commit import commit_tree
from vfs.repo.history import log
from vfs.repo.library import Library
from vfs.repo.refs import RefSet
from vfs.repo.remove import remove
from vfs.repo.resolve import resolve
from vfs.repo.verify import verify
from vfs.tree.edit import Put, edit

WRITER = """
import sys
from vfs.config.settings import default_settings
from vfs.errors import Conflict
from vfs.model.revision import parse_revision
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.sources import parse_source

store, state, cache, path, prefix = sys.argv[1:6]
settings = default_settings(store=store, state_dir=state, cache_dir=cache, author="w@example.org", jobs=1)
with Library.open(settings) as library:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        put(library, parse_revision("r"), [parse_source(path)], prefix=prefix.encode(), message=path)
    except Conflict as error:
        print(error)
        sys.exit(4)
"""


@contextmanager
def writers(settings: Settings, words: list[tuple[Path, str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One process for each (path, prefix), ready to put; none is left."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for path, prefix in words:
            command = [
                sys.executable,
                "-c",
                WRITER,
                settings.store,
                settings.state_dir,
                settings.cache_dir,
                path,
                prefix,
            ]
            started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        for process in started:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate(timeout=20)


def test_twenty_processes_put_different_files_at_once(library: Library, settings: Settings, work: Path) -> None:
    words = []
    for number in range(20):
        path = work / f"file{number:02}"
        path.write_bytes(os.urandom(700))
        words.append((path, "in/all"))
    with writers(settings, words) as started:
        for process in started:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        outcomes = [(process.wait(timeout=90), process.stdout.read()) for process in started if process.stdout]
    assert outcomes == [(0, b"")] * 20
    resolved = resolve(library, parse_revision("r"))
    history = list(log(library, resolved))
    assert sorted(stored.commit.message for stored in history) == sorted(str(path) for path, _ in words)
    assert [len(stored.commit.parents) for stored in history] == [1] * 19 + [0]
    tree = library.tree(resolved.stored)
    for path, _ in words:
        entry = tree.get(b"in/all/" + os.fsencode(path.name))
        assert library.files.read(entry, 0, 1000) == path.read_bytes()
    assert verify(library, resolved).ok


def test_of_processes_that_put_one_path_one_wins_and_the_others_are_told(
    library: Library, settings: Settings, work: Path, put_paths
) -> None:
    (work / "first").write_bytes(b"x")
    put_paths("r", work / "first")
    words = []
    for number in range(5):
        (work / f"{number}").mkdir()
        (work / f"{number}/same").write_bytes(b"%d" % number * 600)
        words.append((work / f"{number}/same", ""))
    with writers(settings, words) as started:
        for process in started:
            # A writer that waits for its word has not read the branch yet: all must read it before one moves it.
            os.kill(process.pid, 0)
        for process in started:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        outcomes = [(process.wait(timeout=90), process.stdout.read()) for process in started if process.stdout]
    for code, said in outcomes:
        assert code == 0 or (code == 4 and b"changed on both sides" in said and b": same" in said)
    won = sum(code == 0 for code, _ in outcomes)
    assert won >= 1
    assert len(list(log(library, resolve(library, parse_revision("r"))))) == 1 + won


def test_a_put_killed_at_any_time_leaves_the_branch_old_or_new(
    library: Library, settings: Settings, work: Path, put_paths
) -> None:
    top = work / "top"
    top.mkdir()
    (top / "seed").write_bytes(b"seed")
    put_paths("r", top)
    chance = random.Random(7)
    for round in range(8):
        for number in range(40):
            (top / f"{round}-{number}").write_bytes(chance.randbytes(20_000))
        (top / f"large{round}").write_bytes(chance.randbytes(5 << 20))
        before = resolve(library, parse_revision("r")).stored
        with writers(settings, [(top, "")]) as (process,):
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=20)
        after = resolve(library, parse_revision("r"))
        assert after.stored == before or after.stored.commit.parents == (before.id,)
        assert verify(library, after).ok
    assert not put_paths("r", top).failures
    final = resolve(library, parse_revision("r"))
    assert final.stored.commit.entries == 3 + 8 * 41
    assert verify(library, final).ok


STEPS = """
import itertools, os, signal, sys
from vfs.store.local import LocalStore

at, moment = int(sys.argv[6]), sys.argv[7]
calls = itertools.count(1)

def dying(real):
    def call(self, key, *args, **words):
        number = next(calls)
        if number == at and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(self, key, *args, **words)
        if number == at and moment == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

LocalStore.put, LocalStore.swap = dying(LocalStore.put), dying(LocalStore.swap)
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", [1, 2, 3, 4, 5])
def test_a_put_killed_at_each_durable_step(
    library: Library, settings: Settings, work: Path, put_paths, step: int, moment: str
) -> None:
    (work / "seed").write_bytes(b"seed")
    before = put_paths("r", work / "seed").stored
    # A pack of content, a pack of pages, the commit, the branch: four steps, the fifth is never reached.
    (work / "f").write_bytes(os.urandom(5000))
    words = [settings.store, settings.state_dir, settings.cache_dir, str(work / "f"), "", str(step), moment]
    done = subprocess.run(
        [sys.executable, "-c", STEPS + WRITER, *words], input=b"go\n", capture_output=True, timeout=60
    )
    assert done.returncode == (0 if step == 5 else -signal.SIGKILL), done.stderr
    after = resolve(library, parse_revision("r"))
    moved = step == 5 or (step, moment) == (4, "after")
    assert after.stored.commit.parents == ((before.id,) if moved else ())
    assert verify(library, after).ok
    again = put_paths("r", work / "f")
    assert again.changed is not moved
    assert verify(library, resolve(library, parse_revision("r"))).ok
    assert len(list(log(library, resolve(library, parse_revision("r"))))) == 2


def commit_file(library: Library, base, path: bytes, *, hook=None):
    """Commit one more (empty) file on top of `base`, `hook` called when the tree is ready."""
    from vfs.model.entry import Entry, Kind
    from vfs.model.ids import digest_of

    writer = library.writer()
    tree = library.tree(base) if base is not None else None
    entry = Entry(path=path, kind=Kind.FILE, mode=0o644, mtime_ns=5, digest=digest_of(b""))
    root = edit(tree, writer, [Put(entry)], mtime_ns=1)
    if hook is not None:
        hook()
    return commit_tree(
        library,
        repo="r",
        branch="main",
        root=root,
        base=base,
        author="a",
        message=path.decode(),
        record=None,
        writer=writer,
    )


def test_a_lost_race_is_replayed_on_the_new_head_alone(library: Library) -> None:
    first = commit_file(library, None, b"first")
    second = commit_file(library, first, b"second", hook=lambda: commit_file(library, first, b"other"))
    paths = [entry.path for entry in library.tree(second).walk()]
    assert paths == [b"", b"first", b"other", b"second"]
    assert [stored.commit.message for stored in log(library, resolve(library, parse_revision("r")))] == [
        "second",
        "other",
        "first",
    ]
    assert len(second.commit.parents) == 1


def test_a_remove_loses_against_a_change_of_what_it_removes(
    library: Library, put_paths, work: Path, monkeypatch
) -> None:
    (work / "d").mkdir()
    (work / "d/f").write_bytes(b"1")
    put_paths("r", work / "d")
    from vfs.repo import remove as module

    real = module.commit_tree

    def late(*args, **words):
        (work / "d/f").write_bytes(b"2")
        put_paths("r", work / "d")
        return real(*args, **words)

    monkeypatch.setattr(module, "commit_tree", late)
    with pytest.raises(Conflict, match="d/f"):
        remove(library, parse_revision("r:d"))
    monkeypatch.undo()
    assert resolve(library, parse_revision("r")).stored.commit.message == "put d"
    remove(library, parse_revision("r:d"))
    assert library.tree(resolve(library, parse_revision("r")).stored).entries == 1


def test_a_move_that_was_made_though_its_answer_was_lost_is_not_made_twice(library: Library, monkeypatch) -> None:
    first = commit_file(library, None, b"first")
    real, calls = RefSet.move, []

    def lossy(self, name, new, *, expected):
        version = real(self, name, new, expected=expected)
        calls.append(new)
        if len(calls) == 1:
            raise Conflict("412 after a retry of a put that had gone through")
        return version

    monkeypatch.setattr(RefSet, "move", lossy)
    second = commit_file(library, first, b"second")
    assert calls == [second.id]
    assert len(list(log(library, resolve(library, parse_revision("r"))))) == 2


def test_a_failing_step_leaves_the_branch_as_it_was(library: Library, monkeypatch) -> None:
    first = commit_file(library, None, b"first")
    store = library.store
    for step in ("put", "swap"):
        with monkeypatch.context() as patch:
            patch.setattr(store, step, timed_out)
            with pytest.raises(StoreTimeout):
                commit_file(library, first, b"second-" + step.encode())
        assert resolve(library, parse_revision("r")).stored == first
    assert commit_file(library, first, b"second").commit.parents == (first.id,)


def timed_out(*args, **words):
    raise StoreTimeout("repos/r: no answer within 60 s")


def test_a_branch_is_made_when_it_is_absent(library: Library) -> None:
    with pytest.raises(RevisionNotFound):
        resolve(library, parse_revision("r"))
    assert commit_file(library, None, b"first").commit.parents == ()
