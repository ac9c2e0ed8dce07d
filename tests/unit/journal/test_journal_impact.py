"""Impact: what to act on, and where it still is."""

from __future__ import annotations

import json

import msgspec
import pytest
from journal_world import T0, World, a_process, a_record, given

from vfs.errors import PathNotFound
from vfs.journal.graph import CommitNode
from vfs.journal.impact import impact
from vfs.journal.render.formats import FORMATS, render
from vfs.journal.render.words import minute
from vfs.model.commit import StoredCommit
from vfs.model.ids import digest_of
from vfs.model.record import Output, Process, Read, RunRecord
from vfs.repo.layout import commit_key
from vfs.repo.refs import Refs

PUT = a_record(kind="put", command=(b"vfs", b"put"), level="none")


def made_of(world: World, source: StoredCommit, reads: list[bytes], outputs: list[bytes]) -> RunRecord:
    """A run that wrote outputs which hold their own name."""
    record = a_record(given(source), [msgspec.structs.replace(one, at=1) for one in world.read(source, *reads)])
    return msgspec.structs.replace(record, outputs=tuple(Output(path, digest_of(path), 1, 2) for path in outputs))


@pytest.fixture
def scans(world: World) -> StoredCommit:
    return world.commit("scans", {b"p/a": b"a", b"p/b": b"b", b"q": b"q"}, record=PUT, message="first scans")


def refs_of(world: World, stored: StoredCommit, path: bytes) -> dict[str, tuple[str, ...] | None]:
    graph = impact(world.library, world.resolved(stored, path))
    return {node.repo: node.refs for node in graph.nodes if isinstance(node, CommitNode)}


def test_it_names_the_refs_that_still_hold_what_was_made(world: World, scans: StoredCommit) -> None:
    clean = world.commit("clean", {b"x": b"x"}, record=made_of(world, scans, [b"p/a"], [b"x"]))
    refs = Refs(world.library, "clean")
    refs.tags.create("v1", clean.id)
    refs.branches.create("keep", clean.id)
    world.commit("clean", {b"x": b"by hand"}, record=PUT)
    assert refs_of(world, scans, b"p/a") == {"scans": ("branch main",), "clean": ("branch keep", "tag v1")}
    world.commit("scans", {b"p/a": None}, record=PUT)
    assert refs_of(world, scans, b"p/a")["scans"] == ()
    refs.branches.delete("keep")
    refs.tags.delete("v1")
    text = render(impact(world.library, world.resolved(scans, b"p/a")), "text")
    assert text.count("in no branch or tag any more") == 2


def test_a_later_commit_that_left_the_file_alone_still_holds_it(world: World, scans: StoredCommit) -> None:
    world.commit("clean", {b"x": b"x"}, record=made_of(world, scans, [b"p/a"], [b"x"]))
    world.commit("clean", {b"other": b"o"}, record=PUT)
    assert refs_of(world, scans, b"p/a")["clean"] == ("branch main",)


def test_the_list_says_what_to_act_on(world: World, scans: StoredCommit) -> None:
    outputs = {b"%02d" % number: b"x" for number in range(9)}
    clean = world.commit("clean", outputs, message="made clean", record=made_of(world, scans, [b"p/a"], list(outputs)))
    unseen = a_record(given(clean), level="none", command=(b"make",), outputs=(Output(b"r", b"o" * 32),))
    world.commit("report", {b"r": b"r"}, record=unseen)
    graph = impact(world.library, world.resolved(scans, b"p"))
    lines = render(graph, "text").splitlines()
    nodes = [node for node in graph.nodes if isinstance(node, CommitNode)]
    short = {node.repo: node.commit.hex()[:12] for node in nodes}
    when, began = {node.repo: minute(node.time_ns) for node in nodes}, minute(T0)
    assert lines == [
        f"scans@{short['scans']}:p  {when['scans']}  first scans",
        "  still in branch main",
        "made into 9 paths, and possibly 1 more path, in 2 commits of 2 repos:",
        "",
        f"clean@{short['clean']}  {when['clean']}  made clean",
        "  still in branch main",
        "  run: python thumb.py",
        f"  anna@host1, {began}, 3.2 s, exit 0",
        "  made from it: 9 paths",
        "    00",
        "    01",
        "    02",
        "    03",
        "    04",
        "    … and 4 more",
        "",
        f"report@{short['report']}  {when['report']}",
        "  still in branch main",
        "  run: make",
        f"  anna@host1, {began}, 3.2 s, exit 0",
        "  possibly made from it: 1 path",
        "    r",
    ]
    assert len(render(graph, "text", full=True).splitlines()) == len(lines) + 3


def test_json_has_the_list_beside_the_graph(world: World, scans: StoredCommit) -> None:
    world.commit("clean", {b"x": b"x", b"\xff": b"y"}, record=made_of(world, scans, [b"p/a"], [b"x", b"\xff"]))
    loaded = json.loads(render(impact(world.library, world.resolved(scans, b"p/a")), "json"))
    assert (loaded["subject"], loaded["direction"], loaded["path"]) == ("impact", "down", "p/a")
    (commit,) = loaded["commits"]
    assert (commit["repo"], commit["refs"], commit["possible"]) == ("clean", ["branch main"], [])
    assert commit["direct"] == [{"path": "x"}, {"path": "\ufffd", "path_b64": "/w=="}]
    assert (commit["run"]["user"], commit["run"]["command"]) == ("anna", ["python", "thumb.py"])
    assert loaded["nodes"] and loaded["edges"]


def test_nothing_downstream_says_so(world: World, scans: StoredCommit) -> None:
    text = render(impact(world.library, world.resolved(scans, b"q")), "text")
    assert text.endswith("nothing in this store was made from it\n")
    assert json.loads(render(impact(world.library, world.resolved(scans, b"q")), "json"))["commits"] == []
    with pytest.raises(PathNotFound):
        impact(world.library, world.resolved(scans, b"gone"))


def test_a_file_that_is_gone_is_asked_about_in_all_versions(world: World, scans: StoredCommit) -> None:
    world.commit("clean", {b"x": b"x"}, record=made_of(world, scans, [b"p/a"], [b"x"]))
    now = world.commit("scans", {b"p/a": None}, record=PUT)
    graph = impact(world.library, world.resolved(now, b"p/a"), all_versions=True)
    assert [node.repo for node in graph.affected()] == ["clean"]
    whole = impact(world.library, world.resolved(now, b"p"), all_versions=True)
    assert [node.repo for node in whole.affected()] == ["clean"]
    with pytest.raises(PathNotFound, match="no commit of the repo has this path"):
        impact(world.library, world.resolved(now, b"never"), all_versions=True)


def test_without_a_path_it_is_all_that_the_commit_made(world: World, scans: StoredCommit) -> None:
    world.commit("clean", {b"x": b"x"}, record=made_of(world, scans, [b"q"], [b"x"]))
    world.commit("unused", {b"u": b"u"}, record=made_of(world, scans, [], [b"u"]))
    graph = impact(world.library, world.resolved(scans))
    assert {node.repo: (node.direct, node.possible) for node in graph.affected()} == {
        "clean": ((b"x",), ()),
        "unused": ((), (b"u",)),
    }


def test_depth_says_that_there_is_more(world: World, scans: StoredCommit) -> None:
    clean = world.commit("clean", {b"x": b"x"}, record=made_of(world, scans, [b"q"], [b"x"]))
    world.commit("end", {b"e": b"e"}, record=made_of(world, clean, [b"x"], [b"e"]))
    graph = impact(world.library, world.resolved(scans, b"q"), depth=1)
    assert [(node.repo, node.more) for node in graph.affected()] == [("clean", True)]
    assert "… more beyond this depth" in render(graph, "text")


def test_every_format_draws_it(world: World, scans: StoredCommit) -> None:
    world.commit("clean", {b"x": b"x"}, record=made_of(world, scans, [b"p/a"], [b"x"]))
    graph = impact(world.library, world.resolved(scans, b"p/a"))
    for form in FORMATS:
        if form != "svg":
            assert "clean" in render(graph, form)


def test_damage_is_noted_and_the_rest_stands(world: World, scans: StoredCommit) -> None:
    clean = world.commit("clean", {b"x": b"x"}, record=made_of(world, scans, [b"p/a"], [b"x"]))
    bad = world.commit("bad", {b"x": b"x"}, record=made_of(world, scans, [b"p/a"], [b"x"]))
    world.damage(commit_key("bad", bad.id))
    with world.reopened() as fresh:
        graph = impact(fresh.library, fresh.resolved(scans, b"p/a"))
    assert [node.commit for node in graph.affected()] == [clean.id]
    assert any(bad.id.hex()[:12] in note for note in graph.notes)


HUGE = 2**63
HOSTILE = {
    "parents that go in a circle": {"processes": (a_process(1, parent=2), a_process(2, parent=1, linked=(1, 2)))},
    "links to nobody": {"processes": (a_process(1, linked=(7, -1, HUGE)),)},
    "numbers too large for anything": {
        "processes": (a_process(HUGE, parent=HUGE, linked=(HUGE,)),),
        "outputs": (Output(b"x", b"o" * 32, HUGE, 2**64 - 1),),
        "started_ns": HUGE,
        "ended_ns": 2**64 - 1,
        "gaps": 0,
    },
    "one process twice": {"processes": (a_process(1), a_process(1, parent=1))},
    "reads of processes that are not there": {"reads": (Read(99, 0, b"p/a", b"d" * 32, HUGE),)},
    "an output that is no path": {"outputs": (Output(b"../x", b"o", 1, 2), Output(b"x\0", b"", 0, 0))},
    "a digest that is none": {"outputs": (Output(b"x", b"short", 1, 9),)},
    "negative numbers": {
        "processes": (a_process(-5, parent=-5),),
        "outputs": (Output(b"x", b"o" * 32, -5, -1),),
        "started_ns": -(2**62),
    },
    "a listing of an input that is not there": {"listed": (Read(1, 5, b"p", b"", 1),)},
    "a name that is none": {"absent": (Read(1, 0, b"a//b", b"", 1),)},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_record_that_lies_ends_no_question(world: World, scans: StoredCommit, name: str) -> None:
    """Each is left out with a note, or counts for what can be made of it; nothing hangs or breaks a format."""
    good = made_of(world, scans, [b"p/a"], [b"x"])
    record = msgspec.structs.replace(good, **HOSTILE[name])
    world.commit("clean", {b"x": b"x"}, record=record)
    graph = impact(world.library, world.resolved(scans, b"p/a"))
    listed = [node.repo for node in graph.affected()]
    assert listed == ["clean"] or graph.notes or "reads" in HOSTILE[name]
    for form in ("text", "json", "dot", "mermaid"):
        assert render(graph, form, full=True)


def test_a_circle_of_processes_of_any_size_is_walked_once(world: World, scans: StoredCommit) -> None:
    count = 30_000
    ring: tuple[Process, ...] = tuple(
        a_process(key, parent=key % count + 1, linked=(key % count + 1,)) for key in range(1, count + 1)
    )
    outputs = tuple(Output(b"o%05d" % key, b"o" * 32, key, 9) for key in range(1, count + 1))
    good = made_of(world, scans, [b"p/a"], [])
    world.commit("clean", {b"x": b"x"}, record=msgspec.structs.replace(good, processes=ring, outputs=outputs))
    (node,) = impact(world.library, world.resolved(scans, b"p/a")).affected()
    assert (len(node.direct), node.possible) == (count, ())
