"""Blame: the versions of a file, the last commit behind each entry of a directory."""

from __future__ import annotations

import json

import msgspec
import pytest
from journal_world import World, a_process, a_record, given

from vfs.errors import PathNotFound
from vfs.journal.blame import blame
from vfs.journal.graph import CommitNode, Graph
from vfs.journal.render.formats import FORMATS, render
from vfs.model.commit import StoredCommit
from vfs.model.record import Output
from vfs.model.revision import Revision
from vfs.repo.merging import merge
from vfs.repo.refs import Refs

PUT = a_record(kind="put", command=(b"vfs", b"put"), level="none")


def versions(graph: Graph, **commits: StoredCommit) -> list[tuple[str, str, str, int | None]]:
    """Path, commit by the given name, kind and number of inputs of each line."""
    names = {stored.id: name for name, stored in commits.items()}
    nodes = graph.by_id()
    found = []
    for version in graph.versions:
        node = nodes[version.node]
        assert isinstance(node, CommitNode)
        found.append((version.path.decode(), names[node.commit], version.kind, version.inputs))
    return found


def test_a_file_has_a_line_for_each_version(world: World) -> None:
    one = world.commit("doc", {b"a": b"1", b"b": b"1"}, record=PUT)
    world.commit("doc", {b"b": b"2"}, record=PUT)
    three = world.commit("doc", {b"a": None}, record=PUT)
    source = world.commit("src", {b"x": b"x", b"y": b"y"}, record=PUT)
    record = a_record(given(source), world.read(source, b"x", b"y"), kind="mount", outputs=(Output(b"a", b"o" * 32),))
    four = world.commit("doc", {b"a": b"4"}, record=record)
    five = world.commit("doc", {b"c": b"5"}, record=PUT)
    graph = blame(world.library, world.resolved(five, b"a"))
    assert versions(graph, one=one, three=three, four=four) == [
        ("a", "four", "file", 2),
        ("a", "three", "removed", None),
        ("a", "one", "file", None),
    ]
    roles = [(edge.role, edge.source.rpartition(":")[2], edge.target.rpartition(":")[2]) for edge in graph.edges]
    chain = [role for role in roles if role[0] in ("carried", "replaced")]
    ids = [stored.id.hex() for stored in (one, three, four, five)]
    assert sorted(chain) == sorted(
        [("carried", ids[2], ids[3]), ("replaced", ids[1], ids[2]), ("replaced", ids[0], ids[1])]
    )


def test_an_output_counts_its_own_inputs(world: World) -> None:
    source = world.commit("src", {b"x": b"x", b"y": b"y"}, record=PUT)
    reads = [msgspec.structs.replace(one, at=1) for one in world.read(source, b"x", process=2)]
    reads += [msgspec.structs.replace(one, at=2) for one in world.read(source, b"y", process=3)]
    outputs = (Output(b"a", b"o" * 32, 2, 5), Output(b"d/b", b"o" * 32, 3, 5), Output(b"d/c", b"o" * 32, 2, 5))
    record = a_record(given(source), reads, outputs=outputs)
    record = msgspec.structs.replace(record, processes=tuple(a_process(key, parent=int(key != 1)) for key in (1, 2, 3)))
    made = world.commit("out", {b"a": b"a", b"d/b": b"b", b"d/c": b"c"}, record=record)
    whole = blame(world.library, world.resolved(made))
    assert [(one.path, one.kind, one.inputs, one.narrowed) for one in whole.versions] == [
        (b"a", "file", 1, True),
        (b"d", "dir", 2, True),
    ]
    deep = blame(world.library, world.resolved(made), recursive=True)
    assert [(one.path, one.inputs) for one in deep.versions] == [(b"a", 1), (b"d/b", 1), (b"d/c", 1)]


def test_a_directory_has_the_last_commit_of_each_entry(world: World) -> None:
    one = world.commit("doc", {b"p/a": b"1", b"p/b": b"1", b"p/d/x": b"1", b"q": b"1"}, record=PUT)
    two = world.commit("doc", {b"p/b": b"2", b"q": b"2"}, record=PUT)
    three = world.commit("doc", {b"p/d/y": b"3"}, record=PUT)
    four = world.commit("doc", {b"q": b"4"}, record=PUT)
    known = {"one": one, "two": two, "three": three, "four": four}
    graph = blame(world.library, world.resolved(four, b"p"))
    assert [line[:3] for line in versions(graph, **known)] == [
        ("p/a", "one", "file"),
        ("p/b", "two", "file"),
        ("p/d", "three", "dir"),
    ]
    deep = blame(world.library, world.resolved(four, b"p"), recursive=True)
    assert [line[:2] for line in versions(deep, **known)] == [
        ("p/a", "one"), ("p/b", "two"), ("p/d/x", "one"), ("p/d/y", "three")
    ]  # fmt: skip
    top = blame(world.library, world.resolved(four))
    assert [line[:2] for line in versions(top, **known)] == [("p", "three"), ("q", "four")]


def test_what_a_merge_brought_in_is_blamed_on_who_made_it(world: World) -> None:
    base = world.commit("doc", {b"a": b"a", b"b": b"b"}, record=PUT)
    Refs(world.library, "doc").branches.create("side", base.id)
    side = world.commit("doc", {b"a": b"A"}, branch="side", record=PUT)
    main = world.commit("doc", {b"b": b"B"}, record=PUT)
    merged = merge(
        world.library, Revision("doc"), Revision("doc", "side"), record=a_record(kind="merge", level="none")
    ).stored
    known = {"base": base, "side": side, "main": main}
    both = blame(world.library, world.resolved(merged))
    assert [line[:2] for line in versions(both, **known)] == [("a", "side"), ("b", "main")]
    file = blame(world.library, world.resolved(merged, b"a"))
    assert [line[:2] for line in versions(file, **known)] == [("a", "side"), ("a", "base")]


def test_the_text_is_a_table(world: World) -> None:
    one = world.commit("doc", {b"d/a": b"1", b"d/e/long name": b"2"}, record=PUT)
    lines = render(blame(world.library, world.resolved(one, b"d")), "text").splitlines()
    assert [line.split("  ")[0] for line in lines] == ["a", "e/"]
    assert all(one.id.hex()[:12] in line and line.endswith("put: vfs put") for line in lines)
    (single,) = render(blame(world.library, world.resolved(one, b"d/a")), "text").splitlines()
    assert single.startswith(one.id.hex()[:12]) and "not observed" in single


def test_json_has_the_lines_beside_the_graph(world: World) -> None:
    one = world.commit("doc", {b"a\xff": b"1"}, record=PUT)
    loaded = json.loads(render(blame(world.library, world.resolved(one, b"a\xff")), "json"))
    assert loaded["subject"] == "blame"
    (line,) = loaded["versions"]
    assert (line["path_b64"], line["kind"], line["size"], line["inputs"]) == ("Yf8=", "file", 1, None)
    assert line["node"] == loaded["root"]


def test_every_format_draws_it(world: World) -> None:
    world.commit("doc", {b"a": b"1"}, record=PUT)
    two = world.commit("doc", {b"a": b"2"}, record=PUT)
    graph = blame(world.library, world.resolved(two, b"a"))
    for form in FORMATS:
        if form != "svg":
            assert two.id.hex()[:12] in render(graph, form)


def test_a_path_that_is_not_there_is_not_found(world: World) -> None:
    one = world.commit("doc", {b"a": b"1"}, record=PUT)
    with pytest.raises(PathNotFound, match="no path b in this commit"):
        blame(world.library, world.resolved(one, b"b"))


def test_a_long_history_is_walked_to_its_end(world: World) -> None:
    made = first = world.commit("doc", {b"a": b"0", b"b": b"0"}, record=PUT)
    for number in range(1, 40):
        made = world.commit("doc", {b"b": b"%d" % number}, record=PUT)
    assert len(blame(world.library, world.resolved(made, b"b")).versions) == 40
    (only,) = blame(world.library, world.resolved(made, b"a")).versions
    assert only.node.endswith(first.id.hex())
