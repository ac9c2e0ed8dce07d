"""Why two commits differ: each cause alone, which are likely, and what is said when none is left."""

from __future__ import annotations

import msgspec
import pytest
from journal_world import World, a_process, a_record, given

from vfs.errors import PathNotFound
from vfs.journal.causes import Cause
from vfs.journal.explain import NOT_DETERMINISTIC, NOT_OBSERVED, SAME, differing_outputs, explain
from vfs.model.commit import StoredCommit
from vfs.model.record import Code, Output, Process, Read, RunRecord
from vfs.repo.repos import delete_repo

DIGEST, OTHER = bytes(32), b"\1" * 32


def pair(world: World, a: RunRecord, b: RunRecord) -> tuple[StoredCommit, StoredCommit]:
    """Two commits of other content with these records."""
    return (
        world.commit("out", {b"x": b"one", b"y": b"same"}, record=a, replace=True),
        world.commit("out", {b"x": b"two", b"y": b"same"}, record=b, replace=True),
    )


def causes(world: World, a: RunRecord, b: RunRecord) -> tuple[str, tuple[Cause, ...]]:
    old, new = pair(world, a, b)
    found = explain(world.library, world.resolved(old), world.resolved(new))
    return found.verdict, found.causes


def likely(found: tuple[Cause, ...]) -> list[str]:
    return [cause.about for cause in found if cause.likely]


def test_nothing_left_is_a_program_that_is_not_deterministic(world: World) -> None:
    photos = world.commit("images", {b"a": b"a"})
    record = a_record(given(photos), world.read(photos, b"a"))
    assert causes(world, record, record) == (NOT_DETERMINISTIC, ())
    lost = a_record(given(photos), world.read(photos, b"a"), gaps=1)
    assert causes(world, record, lost) == (NOT_OBSERVED, ())


def test_what_was_read_of_an_input_counts_and_not_its_commit(world: World) -> None:
    first = world.commit("images", {b"a": b"a", b"b": b"b", b"c": b"c"})
    second = world.commit("images", {b"a": b"changed", b"c": None})
    old = a_record(given(first), world.read(first, b"a", b"b", b"c"))
    verdict, found = causes(world, old, a_record(given(second), world.read(second, b"a", b"b")))
    assert verdict == "what was read differs" and likely(found) == ["inputs"]
    assert [(one.path, one.change) for one in found[0].files] == [(b"a", "changed"), (b"c", "only in A")]
    old = a_record(given(first), world.read(first, b"b"))
    verdict, found = causes(world, old, a_record(given(second), world.read(second, b"b")))
    assert verdict == NOT_DETERMINISTIC and [cause.text for cause in found] == [
        "images: another commit, of which the same was read"
    ]
    verdict, found = causes(world, old, a_record(given(second), world.read(second, b"b"), level="none"))
    assert verdict == "what was read differs" and "not all observed" in found[0].text


def test_listings_and_names_looked_up_in_vain(world: World) -> None:
    first = world.commit("images", {b"d/a": b"a", b"e/b": b"b"})
    second = world.commit("images", {b"d/new": b"n", b"e/b": b"changed", b"config": b"c"})
    listed = (Read(1, 0, b"d", b""), Read(1, 0, b"e", b""))
    old = msgspec.structs.replace(a_record(given(first)), listed=listed, absent=(Read(1, 0, b"config", b""),))
    new = msgspec.structs.replace(a_record(given(second), world.read(second, b"config")), listed=listed)
    _, found = causes(world, old, new)
    assert [(one.path, one.change) for one in found[0].files] == [(b"d", "listing"), (b"config", "only in B")]
    a, b = pair(world, old, msgspec.structs.replace(old, inputs=given(second)))
    delete_repo(world.library, "images", force=True)
    with world.reopened() as again:
        found = explain(again.library, again.resolved(a), again.resolved(b)).causes
    assert [(cause.about, cause.files) for cause in found] == [("inputs", ())]


def test_inputs_are_matched_by_name_then_by_repo(world: World) -> None:
    photos, code = world.commit("images", {b"a": b"a"}), world.commit("code", {b"t": b"t"})
    renamed = (msgspec.structs.replace(given(photos)[0], name="other"),)
    assert causes(world, a_record(given(photos)), a_record(renamed))[1] == ()
    reads = world.read(code, b"t", place=1)
    _, found = causes(world, a_record(given(photos)), a_record(given(photos, code), reads))
    assert [(cause.text, cause.likely) for cause in found] == [("code: given in B alone", True)]
    _, found = causes(world, a_record(given(photos, code)), a_record(given(photos)))
    assert [(cause.text, cause.likely) for cause in found] == [
        ("code: given in A alone, and nothing of it was read", False)
    ]


def test_another_path_of_an_input(world: World) -> None:
    photos = world.commit("images", {b"a/f": b"a", b"b/f": b"b"})
    records = [
        msgspec.structs.replace(a_record(given(photos), world.read(photos, path + b"/f")), shown=(path,))
        for path in (b"a", b"b")
    ]
    verdict, found = causes(world, *records)
    assert verdict == "what was read differs"
    assert [(cause.text, cause.a, cause.b) for cause in found if cause.likely] == [
        ("images: another path of it was given", "a", "b")
    ]


def code(commit: str = "a" * 40, **changed: object) -> tuple[Code, ...]:
    return (Code(**{"role": "cwd", "path": b"/w", "root": b"/w", "commit": commit, **changed}),)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ({"code": code()}, {"code": code("b" * 40)}, ["code"]),
        ({"code": code(dirty=True)}, {"code": code(dirty=True)}, ["code"]),
        ({"code": code()}, {"code": code(path=b"/elsewhere", root=b"/elsewhere")}, []),
        ({"code": code()}, {}, []),
        (
            {"code": code(role="script", path=b"/w/s.py", digest=DIGEST, commit="a")},
            {"code": code(role="script", path=b"/v/s.py", root=b"/v", digest=DIGEST, commit="b")},
            [],
        ),
        ({"command": (b"a",)}, {"command": (b"a", b"-v")}, ["command"]),
        ({"environment": (("TZ", "UTC"),)}, {"environment": ()}, ["environment"]),
        ({"cwd": b"/a"}, {"cwd": b"/b"}, []),
        ({"host": "here", "user": "me"}, {"host": "there", "user": "you"}, []),
        ({"image": "docker:1"}, {"image": "docker:2"}, ["machine"]),
        ({"processes": (a_process(),)}, {"processes": (a_process(exe_digest=OTHER),)}, ["executables"]),
        ({"processes": (a_process(),)}, {"processes": (a_process(exe=b"/bin/perl"),)}, []),
    ],
)
def test_each_thing_that_can_differ(
    world: World, a: dict[str, object], b: dict[str, object], expected: list[str]
) -> None:
    record = a_record()
    verdict, found = causes(world, msgspec.structs.replace(record, **a), msgspec.structs.replace(record, **b))
    assert likely(found) == expected
    assert (NOT_DETERMINISTIC in verdict) is not bool(expected)


def test_the_programs_that_set_a_run_up_are_not_those_of_the_run(world: World) -> None:
    def record(digest: bytes) -> RunRecord:
        ours = a_process(1, exe_digest=digest), a_process(2, parent=1, exe_digest=digest, argv=(b"p", b"vfs.run.enter"))
        return msgspec.structs.replace(a_record(), processes=(*ours, a_process(3, parent=2, exe=b"/bin/cat")))

    assert causes(world, record(DIGEST), record(OTHER)) == (NOT_DETERMINISTIC, ())


def test_the_likely_come_first_and_the_verdict_names_them_in_order(world: World) -> None:
    record = a_record()
    other = msgspec.structs.replace(record, command=(b"x",), cwd=b"/b", environment=(("TZ", "UTC"),), host="h2")
    verdict, found = causes(world, record, other)
    assert verdict == "the command differs; then the environment differs"
    assert [cause.about for cause in found] == ["command", "environment", "command", "machine"]


def test_one_output_has_its_own_inputs_alone(world: World) -> None:
    first = world.commit("images", {b"a": b"a", b"b": b"b"})
    second = world.commit("images", {b"b": b"changed"})
    processes: tuple[Process, ...] = (a_process(1), a_process(2))

    def record(stored: StoredCommit) -> RunRecord:
        reads = [
            Read(key, 0, path, world.library.tree(stored).get(path).digest, key) for key, path in ((1, b"a"), (2, b"b"))
        ]
        outputs = (Output(b"x", DIGEST, 2, 3), Output(b"y", DIGEST, 1, 4))
        return msgspec.structs.replace(a_record(given(stored), reads, outputs=outputs), processes=processes)

    old, new = pair(world, record(first), record(second))

    def of(path: bytes) -> str:
        found = explain(world.library, world.resolved(old, path), world.resolved(new, path))
        assert found.a.narrowed and found.b.narrowed
        return found.verdict

    assert of(b"x") == "what was read differs"
    assert of(b"y") == SAME
    changed = [
        (one.path, one.change.value, one.offset)
        for one in differing_outputs(world.library, world.resolved(old), world.resolved(new))
    ]
    assert changed == [(b"x", "M", 0)]
    with pytest.raises(PathNotFound):
        explain(world.library, world.resolved(old, b"z"), world.resolved(new, b"x"))


def test_commits_that_no_run_made(world: World) -> None:
    bare, put = world.commit("d", {b"a": b"1"}), world.commit("d", {b"a": b"2"}, record=a_record(kind="put"))
    run = world.commit("d", {b"a": b"3"}, record=a_record())
    assert explain(world.library, world.resolved(bare), world.resolved(run)).verdict.startswith("A has no run record")
    assert explain(world.library, world.resolved(run), world.resolved(put)).verdict.startswith("B was made by put")
    assert explain(world.library, world.resolved(run), world.resolved(run)).verdict == SAME
