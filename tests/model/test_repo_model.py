"""Random histories against a reference of plain dicts: put, rm, branch, tag, merge, export, over one real store."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from vfs.config.settings import default_settings
from vfs.errors import AlreadyExists, Conflict, IsADirectory, NotADirectory, PathNotFound, RevisionNotFound
from vfs.model.entry import Entry, Kind
from vfs.model.revision import parse_revision
from vfs.repo.commit import commit_tree
from vfs.repo.export import export
from vfs.repo.history import log
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.refs import Refs
from vfs.repo.remove import remove
from vfs.repo.repos import create_repo
from vfs.repo.resolve import resolve
from vfs.repo.sources import parse_source
from vfs.repo.verify import verify
from vfs.tree.edit import Put, Remove, edit

# Path to content for files, None for directories; the root is not listed.
Model = dict[bytes, bytes | None]

NAMES = [b"a", b"b", b"\xff", b"a\x01", b"long" * 20]
names = st.sampled_from(NAMES)
paths = st.builds(b"/".join, st.lists(names, min_size=1, max_size=3))
# Inline, one chunk, and enough for several chunks.
SHAPES = {"empty": b"", "inline": b"x" * 512, "one": bytes(range(256)) * 40, "several": b"seed" * 300_000}
# One time for all local files: equal content is then an equal entry, as in the reference.
TIME_NS = 1_700_000_000_000_000_000


def shaped(name: str) -> bytes:
    return SHAPES[name]


contents = st.one_of(st.binary(max_size=20), st.sampled_from(sorted(SHAPES)).map(shaped))
branches = st.sampled_from(["main", "dev", "fix"])
tags = st.sampled_from(["v1", "v2"])
trees = st.dictionaries(paths, contents, max_size=6)


def parents(path: bytes) -> list[bytes]:
    return [path[:at] for at, byte in enumerate(path) if byte == ord("/")]


def laid(model: Model, path: bytes, value: bytes | None) -> Model:
    """`model` with one path put into it: directories made, what was below a file taken away."""
    result = dict(model)
    if value is not None:
        result = {key: kept for key, kept in result.items() if not key.startswith(path + b"/")}
    for parent in parents(path):
        result[parent] = None
    result[path] = value
    return result


def without(model: Model, path: bytes) -> Model:
    return {key: value for key, value in model.items() if key != path and not key.startswith(path + b"/")}


class Histories(RuleBasedStateMachine):
    """The reference: for each branch its list of trees, oldest first; for each tag one tree."""

    def __init__(self) -> None:
        super().__init__()
        self.umask = os.umask(0o022)
        self.top = Path(tempfile.mkdtemp(prefix="vfs-model-"))
        chosen = default_settings(
            store=f"file://{self.top}/store",
            state_dir=str(self.top / "state"),
            cache_dir=str(self.top / "cache"),
            author="model",
            jobs=2,
        )
        self.library = Library.create(chosen)
        create_repo(self.library, "r")
        self.heads: dict[str, list[Model]] = {}
        self.tagged: dict[str, Model] = {}
        self.serial = 0

    def teardown(self) -> None:
        self.library.close()
        os.umask(self.umask)
        shutil.rmtree(self.top, ignore_errors=True)

    def local(self, files: dict[bytes, bytes]) -> tuple[Path, Model]:
        """A directory with these files, where they fit together; and the model of it."""
        self.serial += 1
        directory = self.top / f"work{self.serial}"
        directory.mkdir()
        model: Model = {}
        for path, data in files.items():
            if path in model or any(model.get(parent, None) is not None for parent in parents(path)):
                continue
            full = os.fsencode(directory) + b"/" + path
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as file:
                file.write(data)
            os.utime(full, ns=(TIME_NS, TIME_NS))
            model = laid(model, path, data)
        return directory, model

    @initialize(files=trees)
    def first(self, files: dict[bytes, bytes]) -> None:
        self.put_contents("main", files)

    @rule(branch=branches, files=trees)
    def put_contents(self, branch: str, files: dict[bytes, bytes]) -> None:
        directory, model = self.local(files)
        result = put(self.library, parse_revision(f"r@{branch}"), [parse_source(f"{directory}/")])
        assert not result.failures and not result.warnings
        tree = self.heads[branch][-1] if branch in self.heads else {}
        for path, value in model.items():
            tree = laid(tree, path, value) if value is not None else {**tree_below(tree, path), path: None}
        self.moved(branch, tree, changed=result.changed)

    @rule(branch=branches, name=names, data=contents, prefix=st.one_of(st.just(b""), paths))
    def put_file(self, branch: str, name: bytes, data: bytes, prefix: bytes) -> None:
        directory, _ = self.local({name: data})
        at = prefix + b"/" + name if prefix else name
        tree = self.heads[branch][-1] if branch in self.heads else {}
        source = parse_source(os.fsencode(directory) + b"/" + name)
        try:
            result = put(self.library, parse_revision(f"r@{branch}"), [source], prefix=prefix)
        except NotADirectory:
            assert any(tree.get(parent, None) is not None for parent in parents(at))
            return
        except IsADirectory:
            assert at in tree and tree[at] is None
            return
        self.moved(branch, laid(tree, at, data), changed=result.changed)

    @precondition(lambda self: self.heads)
    @rule(branch=branches, path=paths)
    def rm(self, branch: str, path: bytes) -> None:
        revision = parse_revision(f"r@{branch}")
        try:
            remove(self.library, revision, [path])
        except RevisionNotFound:
            assert branch not in self.heads
            return
        except PathNotFound:
            assert path not in self.heads[branch][-1]
            return
        self.moved(branch, without(self.heads[branch][-1], path), changed=True)

    @precondition(lambda self: self.heads)
    @rule(new=branches, data=st.data())
    def branch_off(self, new: str, data: st.DataObject) -> None:
        old = data.draw(st.sampled_from(sorted(self.heads)))
        back = data.draw(st.integers(0, len(self.heads[old]) - 1))
        commit = resolve(self.library, parse_revision(f"r@{old}~{back}")).stored.id
        try:
            Refs(self.library, "r").branches.create(new, commit)
        except AlreadyExists:
            assert new in self.heads
            return
        assert new not in self.heads
        self.heads[new] = self.heads[old][: len(self.heads[old]) - back]

    @precondition(lambda self: self.heads)
    @rule(tag=tags, data=st.data())
    def tag(self, tag: str, data: st.DataObject) -> None:
        branch = data.draw(st.sampled_from(sorted(self.heads)))
        commit = resolve(self.library, parse_revision(f"r@{branch}")).stored.id
        try:
            Refs(self.library, "r").tags.create(tag, commit)
        except AlreadyExists:
            assert tag in self.tagged
            return
        self.tagged[tag] = self.heads[branch][-1]

    @precondition(lambda self: any(len(trees) > 1 for trees in self.heads.values()))
    @rule(data=st.data(), path=paths, content=contents, take_away=st.booleans())
    def commit_from_an_old_base(self, data: st.DataObject, path: bytes, content: bytes, take_away: bool) -> None:
        """A writer that began some commits ago: replayed on the head, or a conflict."""
        branch = data.draw(st.sampled_from(sorted(name for name, trees in self.heads.items() if len(trees) > 1)))
        back = data.draw(st.integers(1, len(self.heads[branch]) - 1))
        base = resolve(self.library, parse_revision(f"r@{branch}~{back}")).stored
        before, theirs = self.heads[branch][-1 - back], self.heads[branch][-1]
        mine = without(before, path) if take_away else laid(before, path, content)
        if mine == before or (not take_away and any(before.get(parent) is not None for parent in parents(path))):
            return
        writer = self.library.writer()
        changes = [Remove(path)] if take_away else self.entries_of(writer, path, content)
        root = edit(self.library.tree(base), writer, changes, mtime_ns=1)
        head = resolve(self.library, parse_revision(f"r@{branch}")).stored
        expected = combined(before, mine, theirs)
        try:
            commit_tree(
                self.library,
                repo="r",
                branch=branch,
                root=root,
                base=base,
                author="model",
                message="",
                record=None,
                writer=writer,
            )
        except Conflict:
            assert resolve(self.library, parse_revision(f"r@{branch}")).stored == head
            assert expected is None
            return
        assert expected is not None
        self.moved(branch, expected, changed=True)

    def entries_of(self, writer, path: bytes, content: bytes) -> list[Put]:
        digest, stored = writer.put_bytes(content)
        entry = Entry(
            path=path, kind=Kind.FILE, mode=0o644, mtime_ns=TIME_NS, size=len(content), digest=digest, content=stored
        )
        return [Put(entry)]

    def moved(self, branch: str, tree: Model, *, changed: bool) -> None:
        old = self.heads.get(branch)
        if changed:
            self.heads[branch] = [*(old or []), tree]
        else:
            assert old is not None and old[-1] == tree

    @precondition(lambda self: self.heads)
    @rule(data=st.data())
    def export_one(self, data: st.DataObject) -> None:
        branch = data.draw(st.sampled_from(sorted(self.heads)))
        self.serial += 1
        target = self.top / f"out{self.serial}"
        export(self.library, resolve(self.library, parse_revision(f"r@{branch}")), target)
        assert read_back(target) == self.heads[branch][-1]

    @precondition(lambda self: self.heads)
    @rule(data=st.data())
    def verify_one_with_fresh_eyes(self, data: st.DataObject) -> None:
        branch = data.draw(st.sampled_from(sorted(self.heads)))
        with Library.open(self.library.settings) as fresh:
            report = verify(fresh, resolve(fresh, parse_revision(f"r@{branch}")))
        assert report.ok, [str(damage) for damage in report.damages]

    @invariant()
    def all_refs_are_as_the_reference_has_them(self) -> None:
        refs = Refs(self.library, "r")
        assert {ref.name for ref in refs.branches.list()} == self.heads.keys()
        for branch, history in self.heads.items():
            resolved = resolve(self.library, parse_revision(f"r@{branch}"))
            assert sum(1 for _ in log(self.library, resolved)) == len(history)
            assert self.read(resolved) == history[-1]
        for tag, tree in self.tagged.items():
            assert self.read(resolve(self.library, parse_revision(f"r@{tag}"))) == tree

    def read(self, resolved) -> Model:
        tree = self.library.tree(resolved.stored)
        return {
            entry.path: None if entry.kind is Kind.DIR else self.library.files.read(entry, 0, entry.size)
            for entry in tree.walk()
            if entry.path
        }


def tree_below(tree: Model, path: bytes) -> Model:
    """`tree` where a directory is put at `path`: a file there gives way, a directory keeps what is in it."""
    return tree if tree.get(path, None) is None else without(tree, path)


def combined(before: Model, mine: Model, theirs: Model) -> Model | None:
    """The three-way merge by path; None when a path was changed to two ends, or lies in what the other took away."""
    result = dict(theirs)
    for path in {*before, *mine, *theirs}:
        was, ours, other = (model.get(path, False) for model in (before, mine, theirs))
        if ours == was:
            continue
        if other not in (was, ours):
            return None
        if ours is False:
            result.pop(path, None)
        else:
            result[path] = ours
    orphans = [path for path in result if any(result.get(parent, False) is not None for parent in parents(path))]
    return None if orphans else result


def read_back(target: Path) -> Model:
    found: Model = {}
    base = os.fsencode(target)
    for here, dirs, files in os.walk(base):
        for name in dirs:
            found[os.path.relpath(os.path.join(here, name), base)] = None
        for name in files:
            with open(os.path.join(here, name), "rb") as file:
                found[os.path.relpath(os.path.join(here, name), base)] = file.read()
    return found


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
