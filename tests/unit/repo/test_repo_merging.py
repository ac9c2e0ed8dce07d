"""Merging, reverting and resetting on real stores: what the branch holds afterwards, and what it is left as."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checks
from hypothesis import strategies as st

from vfs.config.settings import Settings
from vfs.errors import Conflict, PathNotFound, Refused, RevisionNotFound, UsageError
from vfs.model.commit import Commit, InputCommit, StoredCommit
from vfs.model.entry import BlobRef, Entry, Kind
from vfs.model.ids import digest_of
from vfs.model.record import RunRecord
from vfs.model.revision import Revision, parse_revision
from vfs.repo.ancestry import comes_from, common_ancestor
from vfs.repo.commit import commit_tree
from vfs.repo.commits import read_commit, read_record, write_commit
from vfs.repo.library import Library
from vfs.repo.merging import Merge, MergeEnd, MergeOptions, merge
from vfs.repo.refs import Refs, RefSet
from vfs.repo.repos import create_repo
from vfs.repo.reset import reset_branch, reset_path
from vfs.repo.resolve import resolve, resolve_branch
from vfs.repo.revert import revert
from vfs.tree.edit import Put, Remove, edit
from vfs.tree.pages import Page

Files = dict[bytes, str]
RECORD = RunRecord(
    kind="merge",
    command=(b"vfs", b"merge"),
    cwd=b"/",
    exit_code=0,
    started_ns=1,
    ended_ns=1,
    user="u",
    host="h",
    version="0",
)


def file(path: bytes, text: str) -> Entry:
    data = text.encode()
    return Entry(
        path=path, kind=Kind.FILE, mode=0o644, mtime_ns=1, size=len(data), digest=digest_of(data), content=data
    )


def change(library: Library, revision: str, changes: dict[bytes, str | None], message: str = "") -> StoredCommit:
    """A commit that puts files and removes paths (None)."""
    target = resolve_branch(library, parse_revision(revision))
    writer = library.writer()
    edits = [Remove(path) if text is None else Put(file(path, text)) for path, text in changes.items()]
    root = edit(library.tree(target.head) if target.head else None, writer, edits, mtime_ns=7)
    return commit_tree(
        library,
        repo=target.repo,
        branch=target.branch,
        root=root,
        base=target.head,
        author="a",
        message=message,
        record=None,
        writer=writer,
    )


def files(library: Library, revision: str) -> Files:
    """The content of all files of a revision by path."""
    found = library.tree(resolve(library, parse_revision(revision)).stored)
    return {one.path: bytes(one.content).decode() for one in found.walk() if one.kind is Kind.FILE}


def paths(library: Library, revision: str) -> set[bytes]:
    return {one.path for one in library.tree(resolve(library, parse_revision(revision)).stored).walk()}


def branch(library: Library, name: str, at: str = "r") -> None:
    Refs(library, "r").branches.create(name, resolve(library, parse_revision(at)).stored.id)


def head(library: Library, name: str = "main") -> bytes:
    return Refs(library, "r").branches.get(name)[0]


def merged(library: Library, into: str, revision: str, **options: object) -> Merge:
    return merge(library, parse_revision(into), parse_revision(revision), options=MergeOptions(**options))


@pytest.fixture
def forked(library: Library) -> Library:
    """`main` with a, b and d/x, and branch `side` at the same commit."""
    change(library, "r", {b"a": "1", b"b": "1", b"d/x": "1"}, "first\n\nbody")
    branch(library, "side")
    return library


def test_disjoint_changes_are_merged_with_two_parents(forked: Library) -> None:
    ours = change(forked, "r", {b"a": "2"})
    theirs = change(forked, "r@side", {b"b": None, b"d/y": "3"})
    done = merge(forked, parse_revision("r"), parse_revision("r@side"), record=RECORD, author="me")
    assert files(forked, "r") == {b"a": "2", b"d/x": "1", b"d/y": "3"}
    commit = done.stored.commit
    assert (done.end, commit.parents, head(forked)) == (MergeEnd.MERGED, (ours.id, theirs.id), done.stored.id)
    assert (commit.author, commit.message) == ("me", f"merge r@side ({theirs.id.hex()[:12]}) into main")
    assert commit.inputs == (InputCommit("r", "r", theirs.id),)
    sealed = read_record(forked, done.stored)
    assert sealed is not None and (sealed.kind, sealed.inputs) == ("merge", commit.inputs)
    again = merged(forked, "r", "r@side")
    assert (again.end, head(forked)) == (MergeEnd.CONTAINED, done.stored.id)


def test_a_branch_without_changes_of_its_own_moves(forked: Library) -> None:
    theirs = change(forked, "r@side", {b"a": "2"})
    assert merged(forked, "r", "r@side", dry_run=True).end is MergeEnd.FORWARD
    assert head(forked) != theirs.id
    assert merged(forked, "r", "r@side").end is MergeEnd.FORWARD
    assert head(forked) == theirs.id
    assert merged(forked, "r@side", "r~1").end is MergeEnd.CONTAINED


def test_no_ff_makes_a_commit_all_the_same(forked: Library) -> None:
    before, theirs = head(forked), change(forked, "r@side", {b"a": "2"})
    done = merged(forked, "r", "r@side", forward=False)
    assert done.stored.commit.parents == (before, theirs.id) and done.stored.commit.root == theirs.commit.root


def test_a_conflict_names_the_paths_and_changes_nothing(forked: Library) -> None:
    ours = change(forked, "r", {b"a": "2", b"d": None})
    change(forked, "r@side", {b"a": "3", b"d/y": "3"})
    with pytest.raises(Conflict, match=r"^r@main: 2 paths .*: a, d/y$"):
        merged(forked, "r", "r@side")
    assert head(forked) == ours.id


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({"ours": (b"a", b"d")}, {b"a": "2", b"b": "2"}),
        ({"theirs": (b"a", b"d")}, {b"a": "3", b"b": "2", b"d/x": "1", b"d/y": "3"}),
        ({"ours": (b"a",), "theirs": (b"d/y",)}, {b"a": "2", b"b": "2", b"d/y": "3"}),
    ],
)
def test_paths_are_settled_by_one_side(forked: Library, options: dict, result: Files) -> None:
    change(forked, "r", {b"a": "2", b"d": None})
    change(forked, "r@side", {b"a": "3", b"b": "2", b"d/y": "3"})
    merged(forked, "r", "r@side", **options)
    assert files(forked, "r") == result


def test_what_is_kept_outlives_the_removal_of_its_directory(forked: Library) -> None:
    change(forked, "r", {b"d/x": "2", b"d/z": "1"})
    change(forked, "r@side", {b"d": None})
    with pytest.raises(Conflict, match=r"d/x"):
        merged(forked, "r", "r@side")
    merged(forked, "r", "r@side", ours=(b"d/x", b"d/z"))
    assert files(forked, "r") == {b"a": "1", b"b": "1", b"d/x": "2", b"d/z": "1"}


def test_two_histories_that_began_apart_are_merged(forked: Library) -> None:
    change(forked, "r@other", {b"n/p": "1", b"a": "1"})
    done = merged(forked, "r", "r@other")
    assert (done.base, files(forked, "r")) == (None, {b"a": "1", b"b": "1", b"d/x": "1", b"n/p": "1"})
    change(forked, "r@third", {b"a": "other"})
    with pytest.raises(Conflict, match=r": a$"):
        merged(forked, "r", "r@third")


def test_merges_across_one_another_have_a_base_that_is_always_the_same(forked: Library) -> None:
    one = change(forked, "r", {b"a": "2"})
    two = change(forked, "r@side", {b"b": "2"})
    merged(forked, "r", "r@side")
    merge(forked, parse_revision("r@side"), parse_revision(f"r@{one.id.hex()}"))
    change(forked, "r", {b"p": "1"})
    change(forked, "r@side", {b"q": "1"})
    done = merged(forked, "r", "r@side")
    assert (
        done.base is not None and done.base.id == max(one, two, key=lambda found: (found.commit.time_ns, found.id)).id
    )
    assert files(forked, "r") == {b"a": "2", b"b": "2", b"d/x": "1", b"p": "1", b"q": "1"}


@pytest.mark.parametrize(
    ("into", "revision", "error", "said"),
    [
        ("r", "q", UsageError, "q: only revisions of repo r"),
        ("r:d", "r@side", UsageError, "r:d: whole revisions"),
        ("r", "r@side:d", UsageError, "r@side:d: whole revisions"),
        ("r~1", "r@side", UsageError, "only a branch"),
        ("r@nope", "r", RevisionNotFound, "r: no branch nope; vfs branch create r@nope r makes one"),
        ("r@v1", "r", Refused, "r@v1: is a tag"),
        ("r", "r@nope", RevisionNotFound, "no branch, tag or commit nope"),
    ],
)
def test_wrong_revisions(forked: Library, into: str, revision: str, error: type[Exception], said: str) -> None:
    create_repo(forked, "q")
    Refs(forked, "r").tags.create("v1", head(forked))
    with pytest.raises(error, match=said):
        merged(forked, into, revision)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"ours": (b"d",), "theirs": (b"d",)}, UsageError, "d: is settled twice"),
        ({"ours": (b"d",), "theirs": (b"d/x",)}, UsageError, "d/x: is settled twice"),
        ({"ours": (b"",)}, UsageError, "below the root"),
        ({"ours": (b"nope",)}, PathNotFound, "nope: no such path on either side"),
    ],
)
def test_wrong_settlements(forked: Library, options: dict, error: type[Exception], said: str) -> None:
    change(forked, "r@side", {b"a": "2"})
    with pytest.raises(error, match=said):
        merged(forked, "r", "r@side", **options)


class Racing:
    """Lets another writer in just before the first move of a branch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._move = RefSet.move
        monkeypatch.setattr(RefSet, "move", lambda *given, **named: self._moved(*given, **named))
        self.first = [lambda: None]

    def _moved(self, refs: RefSet, *given: object, **named: object) -> str:
        if self.first:
            self.first.pop()()
        return self._move(refs, *given, **named)


def test_a_lost_race_is_merged_again(forked: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    change(forked, "r", {b"a": "2"})
    theirs = change(forked, "r@side", {b"b": "2"})
    race = Racing(monkeypatch)
    race.first = [lambda: change(forked, "r", {b"new": "1"})]
    done = merged(forked, "r", "r@side")
    assert files(forked, "r") == {b"a": "2", b"b": "2", b"d/x": "1", b"new": "1"}
    assert done.stored.commit.parents == (resolve(forked, parse_revision("r~1")).stored.id, theirs.id)


def test_a_lost_race_of_a_plain_move_becomes_a_merge(forked: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    change(forked, "r@side", {b"b": "2"})
    race = Racing(monkeypatch)
    race.first = [lambda: change(forked, "r", {b"new": "1"})]
    assert merged(forked, "r", "r@side").end is MergeEnd.MERGED
    assert files(forked, "r") == {b"a": "1", b"b": "2", b"d/x": "1", b"new": "1"}


def test_who_merges_the_same_second_adds_nothing(forked: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    change(forked, "r", {b"a": "2"})
    change(forked, "r@side", {b"b": "2"})
    race = Racing(monkeypatch)
    won: list[Merge] = []
    race.first = [lambda: won.append(merged(forked, "r", "r@side"))]
    done = merged(forked, "r", "r@side")
    assert done.stored.id == won[0].stored.id == head(forked)


def test_a_revert_undoes_one_commit_and_leaves_later_ones(forked: Library) -> None:
    undone = change(forked, "r", {b"a": "2", b"b": None, b"d/n": "1"}, "the change\n\nbody")
    change(forked, "r", {b"later": "1", b"d/x": "2"})
    done = revert(forked, parse_revision("r~1"), record=msgspec.structs.replace(RECORD, kind="revert"))
    assert files(forked, "r") == {b"a": "1", b"b": "1", b"d/x": "2", b"later": "1"}
    commit = done.stored.commit
    assert commit.message == f"revert {undone.id.hex()[:12]}: the change"
    assert commit.inputs == (InputCommit("r", "r", undone.commit.parents[0]),)
    again = revert(forked, parse_revision("r~2"))
    assert (again.changed, head(forked)) == (False, done.stored.id)


def test_a_revert_of_the_newest_commit_gives_the_tree_before(forked: Library) -> None:
    before = resolve(forked, parse_revision("r")).stored
    change(forked, "r", {b"a": "2", b"d": None})
    assert revert(forked, parse_revision("r")).stored.commit.root == before.commit.root


def test_a_revert_below_a_path(forked: Library) -> None:
    change(forked, "r", {b"a": "2", b"d/x": "2", b"d/sub/deep": "1"})
    done = revert(forked, parse_revision("r:d"))
    assert files(forked, "r") == {b"a": "2", b"b": "1", b"d/x": "1"}
    assert b"d/sub" not in paths(forked, "r")
    assert done.stored.commit.message.startswith("revert ") and ":d" in done.stored.commit.message
    with pytest.raises(PathNotFound, match="changed nothing there"):
        revert(forked, parse_revision("r~1:b"))


def test_a_revert_brings_back_a_directory_that_is_gone_above_its_path(forked: Library) -> None:
    change(forked, "r", {b"d": None})
    revert(forked, parse_revision("r:d/x"))
    assert files(forked, "r") == {b"a": "1", b"b": "1", b"d/x": "1"}


def test_a_revert_of_what_was_changed_since_is_a_conflict(forked: Library) -> None:
    change(forked, "r", {b"a": "2"})
    change(forked, "r", {b"a": "3"})
    with pytest.raises(Conflict, match=r": a$"):
        revert(forked, parse_revision("r~1"))


def test_the_first_commit_can_be_reverted(forked: Library) -> None:
    done = revert(forked, parse_revision("r"))
    assert paths(forked, "r") == {b""} and done.stored.commit.inputs == ()
    assert done.stored.commit.message.endswith(": first")


def test_a_revert_on_another_branch(forked: Library) -> None:
    bad = change(forked, "r", {b"a": "2"})
    branch(forked, "release")
    revert(forked, parse_revision(f"r@{bad.id.hex()}"), branch="release")
    assert (files(forked, "r@release")[b"a"], files(forked, "r")[b"a"]) == ("1", "2")
    revert(forked, parse_revision("r@release"))
    assert files(forked, "r@release")[b"a"] == "2"
    with pytest.raises(RevisionNotFound, match="no branch nope; --on"):
        revert(forked, parse_revision("r"), branch="nope")


def test_a_revert_of_a_merge_needs_the_parent(forked: Library) -> None:
    change(forked, "r", {b"a": "2"})
    change(forked, "r@side", {b"b": "2"})
    merged(forked, "r", "r@side")
    with pytest.raises(UsageError, match="--parent N"):
        revert(forked, parse_revision("r"))
    with pytest.raises(UsageError, match="has 2 parents, no parent 3"):
        revert(forked, parse_revision("r"), parent=3)
    revert(forked, parse_revision("r"), parent=1)
    assert files(forked, "r") == {b"a": "2", b"b": "1", b"d/x": "1"}
    revert(forked, parse_revision("r~1"), parent=2, branch="main")
    assert files(forked, "r") == {b"a": "1", b"b": "1", b"d/x": "1"}
    with pytest.raises(UsageError, match="has 0 parents, no parent 1"):
        revert(forked, parse_revision("r~4"), parent=1)


def test_a_branch_is_reset_and_goes_back(forked: Library) -> None:
    last = change(forked, "r", {b"a": "2"})
    done = reset_branch(forked, parse_revision("r"), parse_revision("r~1"))
    assert (done.old, head(forked), done.changed) == (last.id, last.commit.parents[0], True)
    assert not reset_branch(forked, parse_revision("r"), parse_revision("r@side")).changed
    reset_branch(forked, parse_revision("r"), parse_revision(f"r@{last.id.hex()[:12]}"))
    assert head(forked) == last.id


def test_a_reset_refuses_when_the_branch_moved_meanwhile(forked: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    change(forked, "r", {b"a": "2"})
    race = Racing(monkeypatch)
    race.first = [lambda: change(forked, "r", {b"new": "1"})]
    with pytest.raises(Conflict, match="moved by another writer"):
        reset_branch(forked, parse_revision("r"), parse_revision("r@side"))
    assert files(forked, "r")[b"new"] == "1"


def test_a_path_is_reset_whatever_it_was(forked: Library) -> None:
    change(forked, "r", {b"a": None, b"d/x": "2", b"d/new": "1", b"b": "2", b"added": "1"})
    for path in ("a", "d", "added"):
        reset_path(forked, parse_revision(f"r:{path}"), parse_revision("r@side"))
    assert files(forked, "r") == {b"a": "1", b"d/x": "1", b"b": "2"}
    assert not reset_path(forked, parse_revision("r:d"), parse_revision("r@side")).changed
    with pytest.raises(PathNotFound, match="neither"):
        reset_path(forked, parse_revision("r:nope"), parse_revision("r@side"))


def test_a_path_is_reset_across_kinds_and_missing_directories(forked: Library) -> None:
    change(forked, "r", {b"d": "a file", b"a": None})
    change(forked, "r", {b"a/in": "1"})
    for path in ("d", "a"):
        reset_path(forked, parse_revision(f"r:{path}"), parse_revision("r@side"))
    assert files(forked, "r") == {b"a": "1", b"b": "1", b"d/x": "1"}
    change(forked, "r", {b"d": None})
    reset_path(forked, parse_revision("r:d/x"), parse_revision("r@side"))
    assert files(forked, "r")[b"d/x"] == "1"


@pytest.mark.parametrize(
    ("target", "revision", "error"),
    [
        ("r", "q", UsageError),
        ("r", "r:d", UsageError),
        ("r:a", "r@side:d", UsageError),
        ("r@nope", "r", RevisionNotFound),
        ("r~1", "r", UsageError),
    ],
)
def test_wrong_resets(forked: Library, target: str, revision: str, error: type[Exception]) -> None:
    create_repo(forked, "q")
    words = parse_revision(target), parse_revision(revision)
    with pytest.raises(error):
        reset_path(forked, *words) if words[0].path else reset_branch(forked, *words)


def pages_read(settings: Settings, step: Callable[[Library], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """How many pages a step asks for with nothing in memory."""
    read: list[BlobRef] = []
    with Library.open(settings) as opened:
        fetch = opened.blobs.get_page

        def noted(ref: BlobRef) -> Page:
            read.append(ref)
            return fetch(ref)

        monkeypatch.setattr(opened.blobs, "get_page", noted)
        step(opened)
    return len(read)


def test_the_cost_is_that_of_the_changes(library: Library, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    change(library, "r", {f"d{number % 50:02}/f{number:05}".encode(): "1" for number in range(20_000)})
    branch(library, "side")
    change(library, "r", {b"d01/f00001": "2"})
    change(library, "r@side", {b"d48/f00048": "2"})
    steps: list[Callable[[Library], object]] = [
        lambda opened: merged(opened, "r", "r@side"),
        lambda opened: revert(opened, parse_revision("r~1")),
        lambda opened: reset_path(opened, parse_revision("r:d48"), parse_revision("r~2")),
    ]
    # The tree has about 150 pages; the way down to each change is two or three, in each of three trees.
    assert all(0 < pages_read(settings, step, monkeypatch) <= 30 for step in steps)
    assert files(library, "r")[b"d48/f00048"] == "1"


# Histories as lists of parents, by number; times are whatever clocks said.


def history(library: Library, shape: list[list[int]], times: list[int]) -> list[StoredCommit]:
    """Commits with the parents of `shape`, all with one tree."""
    root = change(library, "r@seed", {b"f": "1"})
    made: list[StoredCommit] = []
    for number, parents in enumerate(shape):
        commit = Commit(
            repo="r",
            parents=tuple(made[parent].id for parent in parents),
            root=root.commit.root,
            entries=1,
            size=0,
            author="a",
            time_ns=times[number],
            message=str(number),
        )
        made.append(read_commit(library, "r", write_commit(library, commit, root.locations)))
    return made


def ancestors(shape: list[list[int]], number: int) -> set[int]:
    found = {number}
    for parent in shape[number]:
        found |= ancestors(shape, parent)
    return found


@st.composite
def shapes(draw: st.DrawFn) -> tuple[list[list[int]], list[int]]:
    size = draw(st.integers(2, 9))
    shape = [sorted(draw(st.sets(st.integers(0, number - 1), max_size=2))) if number else [] for number in range(size)]
    return shape, draw(st.lists(st.integers(0, 5), min_size=size, max_size=size))


@checks(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=shapes(), data=st.data())
def test_the_common_ancestor_is_a_nearest_one_whatever_the_clocks_say(
    library: Library, made: tuple[list[list[int]], list[int]], data: st.DataObject
) -> None:
    shape, times = made
    commits = history(library, shape, times)
    a, b = (data.draw(st.integers(0, len(shape) - 1)) for _ in "ab")
    common = ancestors(shape, a) & ancestors(shape, b)
    nearest = {one for one in common if not any(one in ancestors(shape, other) for other in common - {one})}
    expected = max(
        (commits[one] for one in nearest), key=lambda found: (times[int(found.commit.message)], found.id), default=None
    )
    found = common_ancestor(library, commits[a], commits[b])
    assert (found and found.id) == (expected and expected.id)
    assert comes_from(library, commits[a], commits[b]) == (b in ancestors(shape, a))


# Random edits on two branches against a dict of paths.

names = st.sampled_from([b"a", b"b"])
places = st.builds(b"/".join, st.lists(names, min_size=1, max_size=3))
edits = st.lists(st.tuples(places, st.sampled_from(["1", "2", None])), max_size=5)
Model = dict[bytes, str]
numbers = count()


def with_edits(model: Model, steps: list[tuple[bytes, str | None]]) -> Model:
    """The model with files put and paths removed; directories are entries with the value `/`."""
    now = dict(model)
    for path, text in steps:
        above = [path[:at] for at in range(len(path)) if path[at : at + 1] == b"/"]
        if any(now.get(parent, "/") != "/" for parent in above):
            continue
        for below in [one for one in now if one == path or one.startswith(path + b"/")]:
            del now[below]
        if text is not None:
            now.update(dict.fromkeys(above, "/"))
            now[path] = text
    return now


def store_model(library: Library, revision: str, model: Model) -> None:
    """Commit just what the model holds."""
    target = resolve_branch(library, parse_revision(revision))
    writer = library.writer()
    held = [
        Put(Entry(path=path, kind=Kind.DIR, mode=0o755, mtime_ns=7) if text == "/" else file(path, text))
        for path, text in {b"": "/", **model}.items()
    ]
    root = edit(None, writer, held, mtime_ns=7)
    options = {"author": "a", "message": "", "record": None, "writer": writer}
    commit_tree(library, repo="r", branch=target.branch, root=root, base=target.head, **options)


def shown(library: Library, revision: Revision) -> Model:
    found = library.tree(resolve(library, revision).stored)
    return {one.path: "/" if one.kind is Kind.DIR else bytes(one.content).decode() for one in found.walk() if one.path}


def model_merge(base: Model, ours: Model, theirs: Model) -> Model | None:
    """Path by path; None when both sides changed one, or the result is no tree."""
    result: Model = {}
    for path in {*base, *ours, *theirs}:
        was, mine, other = base.get(path), ours.get(path), theirs.get(path)
        if mine != was and other != was and mine != other:
            return None
        now = other if mine == was else mine
        if now is not None:
            result[path] = now
    sound = all(result.get(path.rpartition(b"/")[0], "/") == "/" for path in result)
    whole = all(path.rpartition(b"/")[0] in result for path in result if b"/" in path)
    return result if sound and whole else None


@checks(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=edits, ours=edits, theirs=edits)
def test_a_merge_is_that_of_the_model_or_a_conflict_there_too(
    library: Library, first: list, ours: list, theirs: list
) -> None:
    base = with_edits({b"kept": "1"}, first)
    mine, other = with_edits(base, ours), with_edits(base, theirs)
    number = next(numbers)
    one, two = f"r@m{number}", f"r@s{number}"
    store_model(library, one, base)
    Refs(library, "r").branches.create(two[2:], resolve(library, parse_revision(one)).stored.id)
    store_model(library, one, mine)
    store_model(library, two, other)
    expected = model_merge(base, mine, other)
    if expected is None:
        with pytest.raises(Conflict):
            merged(library, one, two)
        assert shown(library, parse_revision(one)) == mine
    else:
        merged(library, one, two)
        assert shown(library, parse_revision(one)) == expected
        # What came in by the merge goes out again by its revert.
        revert(library, parse_revision(one), parent=1)
        assert shown(library, parse_revision(one)) == mine
