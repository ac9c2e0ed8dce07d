"""Lineage of one output of a run that made several: up to its own inputs, down with certainty."""

from __future__ import annotations

import msgspec
import pytest
from journal_world import World, a_process, a_record, given

from vfs.journal.graph import CommitNode, FilesNode, Graph, RunNode
from vfs.journal.lineage import down, up
from vfs.journal.render.formats import render
from vfs.model.commit import StoredCommit
from vfs.model.record import Output, Read, RunRecord
from vfs.model.revision import Revision
from vfs.repo.merging import merge
from vfs.repo.refs import Refs

PUT = a_record(kind="put", command=(b"vfs", b"put"), level="none")


def apart(world: World, source: StoredCommit, made: dict[bytes, list[bytes]], **changed: object) -> RunRecord:
    """A run of a shell with one child for each output, which reads what stands beside it and then writes."""
    reads: list[Read] = []
    outputs = []
    for key, (path, paths) in enumerate(made.items(), 2):
        for read in world.read(source, *paths, process=key):
            reads.append(msgspec.structs.replace(read, at=len(reads) + len(outputs) + 1))
        outputs.append(Output(path, b"o" * 32, key, len(reads) + len(outputs) + 1))
    record = a_record(given(source), reads, level="fanotify", outputs=tuple(outputs))
    processes = (a_process(1), *(a_process(key, parent=1) for key in range(2, len(made) + 2)))
    return msgspec.structs.replace(record, processes=processes, **changed)


def files_in(graph: Graph) -> dict[str, list[bytes]]:
    return {node.repo: [path for path, _ in node.files] for node in graph.nodes if isinstance(node, FilesNode)}


def found_in(graph: Graph) -> dict[str, tuple[tuple[bytes, ...], tuple[bytes, ...]]]:
    """For each affected commit, by its repo: what is direct, what is possible."""
    return {node.repo: (node.direct, node.possible) for node in graph.affected()}


@pytest.fixture
def chain(world: World) -> dict[str, StoredCommit]:
    """scans a, b, c -> clean x (of a), y (of b, c), z (of nothing) -> stats s (of x), t (of y and z)."""
    scans = world.commit("scans", {b"d/a": b"a", b"d/b": b"b", b"d/c": b"c"}, record=PUT)
    clean = world.commit(
        "clean",
        {b"x": b"x", b"y": b"y", b"z": b"z"},
        record=apart(world, scans, {b"x": [b"d/a"], b"y": [b"d/b", b"d/c"], b"z": []}),
    )
    stats = world.commit(
        "stats", {b"s": b"s", b"t": b"t"}, record=apart(world, clean, {b"s": [b"x"], b"t": [b"y", b"z"]})
    )
    return {"scans": scans, "clean": clean, "stats": stats}


def test_an_output_leads_to_its_own_inputs_through_all_runs(world: World, chain: dict[str, StoredCommit]) -> None:
    graph = up(world.library, world.resolved(chain["stats"], b"s"))
    assert files_in(graph) == {"clean": [b"x"], "scans": [b"d/a"]}
    assert [node.scope for node in graph.nodes if isinstance(node, RunNode)] == ["own", "own", "run"]
    assert files_in(up(world.library, world.resolved(chain["stats"], b"t"))) == {
        "clean": [b"y", b"z"],
        "scans": [b"d/b", b"d/c"],
    }


def test_a_whole_commit_and_whole_run_lead_to_all_inputs(world: World, chain: dict[str, StoredCommit]) -> None:
    everything = {"clean": [b"x", b"y", b"z"], "scans": [b"d/a", b"d/b", b"d/c"]}
    assert files_in(up(world.library, world.resolved(chain["stats"]))) == everything
    whole = up(world.library, world.resolved(chain["stats"], b"s"), whole_run=True)
    assert files_in(whole) == {**everything, "clean": [b"x", b"y", b"z"]}
    assert not any(node.reason for node in whole.nodes if isinstance(node, RunNode))


def test_a_file_made_of_nothing_shows_that(world: World, chain: dict[str, StoredCommit]) -> None:
    graph = up(world.library, world.resolved(chain["clean"], b"z"))
    assert files_in(graph) == {}
    assert [node.repo for node in graph.nodes if isinstance(node, CommitNode)] == ["clean"]
    text = render(graph, "text")
    assert "narrowed to 0 of 3 files" in text and "--whole-run" in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"level": "none"}, "reads were not observed"),
        ({"gaps": 2}, "some reads are not known"),
        ({"outputs": ()}, "the run has no record of writing it"),
    ],
)
def test_what_is_not_known_is_not_narrowed_and_says_why(world: World, changed: dict[str, object], said: str) -> None:
    scans = world.commit("scans", {b"a": b"a", b"b": b"b"}, record=PUT)
    record = apart(world, scans, {b"x": [b"a"], b"y": [b"b"]}, **changed)
    clean = world.commit("clean", {b"x": b"x", b"y": b"y"}, record=record)
    graph = up(world.library, world.resolved(clean, b"x"))
    assert files_in(graph) == {"scans": [b"a", b"b"]}
    assert f"all inputs of the run: {said}" in render(graph, "text")


def test_paths_come_upon_in_two_ways_bring_in_the_inputs_of_both(world: World, chain: dict[str, StoredCommit]) -> None:
    """One run reads an output of `clean`, a second another: both are behind a third, and clean's run is drawn once."""
    clean = chain["clean"]
    first = world.commit("first", {b"f": b"f"}, record=apart(world, clean, {b"f": [b"x"]}))
    second = world.commit("second", {b"g": b"g"}, record=apart(world, clean, {b"g": [b"y"]}))
    record = apart(world, first, {b"e": [b"f"]})
    more = msgspec.structs.replace(world.read(second, b"g", place=1, process=2)[0], at=1)
    record = msgspec.structs.replace(record, inputs=given(first, second), reads=(*record.reads, more))
    end = world.commit("end", {b"e": b"e"}, record=record)
    graph = up(world.library, world.resolved(end, b"e"))
    assert files_in(graph)["scans"] == [b"d/a", b"d/b", b"d/c"]
    assert len([node for node in graph.nodes if isinstance(node, RunNode)]) == 5


def test_down_tells_direct_from_possible_and_follows_both(world: World, chain: dict[str, StoredCommit]) -> None:
    graph = down(world.library, world.resolved(chain["scans"], b"d/a"))
    assert found_in(graph) == {"clean": ((b"x",), (b"y", b"z")), "stats": ((b"s",), (b"t",))}
    made = {edge.target: edge.certainty for edge in graph.edges if edge.role == "made"}
    assert set(made.values()) == {"direct"}
    other = down(world.library, world.resolved(chain["scans"], b"d/c"))
    assert found_in(other) == {"clean": ((b"y",), (b"x", b"z")), "stats": ((b"t",), (b"s",))}
    directory = down(world.library, world.resolved(chain["scans"], b"d"))
    assert found_in(directory)["clean"] == ((b"x", b"y"), (b"z",))


def test_what_is_only_possible_stays_possible_further_on(world: World, chain: dict[str, StoredCommit]) -> None:
    """z possibly goes back to a; a run that read z alone has nothing that is certain to."""
    only = world.commit("only", {b"o": b"o"}, record=apart(world, chain["clean"], {b"o": [b"z"]}))
    graph = down(world.library, world.resolved(chain["scans"], b"d/a"))
    assert found_in(graph)["only"] == ((), (b"o",))
    (edge,) = [edge for edge in graph.edges if edge.target == f"commit:only:{only.id.hex()}"]
    assert edge.certainty == "possible"
    assert "possibly made from it: 1 path" in render(graph, "text")
    assert "style=dashed" in render(graph, "dot")


def test_a_commit_that_turns_out_direct_later_is_followed_again(world: World, chain: dict[str, StoredCommit]) -> None:
    """By one way z is possible, by a longer one the run read s, which is direct: what follows is direct after all."""
    clean, stats = chain["clean"], chain["stats"]
    record = apart(world, clean, {b"m": [b"z"]})
    late = msgspec.structs.replace(world.read(stats, b"s", place=1, process=2)[0], at=1)
    record = msgspec.structs.replace(record, inputs=given(clean, stats), reads=(*record.reads, late))
    mixed = world.commit("mixed", {b"m": b"m"}, record=record)
    world.commit("last", {b"l": b"l"}, record=apart(world, mixed, {b"l": [b"m"]}))
    graph = down(world.library, world.resolved(chain["scans"], b"d/a"))
    assert found_in(graph)["mixed"] == ((b"m",), ())
    assert found_in(graph)["last"] == ((b"l",), ())


def test_old_records_count_every_output_as_made_from_all_that_was_read(world: World) -> None:
    scans = world.commit("scans", {b"a": b"a", b"b": b"b"}, record=PUT)
    outputs = (Output(b"x", b"o" * 32), Output(b"y", b"o" * 32))
    world.commit(
        "clean", {b"x": b"x", b"y": b"y"}, record=a_record(given(scans), world.read(scans, b"a"), outputs=outputs)
    )
    assert found_in(down(world.library, world.resolved(scans, b"a"))) == {"clean": ((b"x", b"y"), ())}
    assert found_in(down(world.library, world.resolved(scans, b"b"))) == {}


def test_a_run_whose_reads_are_not_known_is_possible(world: World) -> None:
    scans = world.commit("scans", {b"a": b"a"}, record=PUT)
    world.commit("clean", {b"x": b"x"}, record=a_record(given(scans), level="none", outputs=(Output(b"x", b"o" * 32),)))
    assert found_in(down(world.library, world.resolved(scans, b"a"))) == {"clean": ((), (b"x",))}


def test_the_same_bytes_put_again_are_the_same_version(world: World) -> None:
    one = world.commit("scans", {b"a": b"a", b"b": b"b"}, record=PUT)
    world.commit("scans", {b"a": None}, record=PUT)
    three = world.commit("scans", {b"a": b"a"}, record=PUT)
    four = world.commit("scans", {b"a": b"other"}, record=PUT)
    world.commit("of3", {b"x": b"x"}, record=apart(world, three, {b"x": [b"a"]}))
    world.commit("of4", {b"x": b"x"}, record=apart(world, four, {b"x": [b"a"]}))
    assert set(found_in(down(world.library, world.resolved(one, b"a")))) == {"of3"}
    assert set(found_in(down(world.library, world.resolved(four, b"a")))) == {"of4"}
    every = down(world.library, world.resolved(one, b"a"), all_versions=True)
    assert set(found_in(every)) == {"of3", "of4"}
    two = world.resolved(world.commit("scans", {b"a": None}, record=PUT), b"a")
    assert set(found_in(down(world.library, two, all_versions=True))) == {"of3", "of4"}


def with_names(record: RunRecord, *, listed: list[bytes], absent: list[bytes]) -> RunRecord:
    return msgspec.structs.replace(
        record,
        listed=tuple(Read(2, 0, path, b"", 1) for path in listed),
        absent=tuple(Read(2, 0, path, b"", 1) for path in absent),
    )


def test_listings_and_absent_names_are_inputs_of_their_own_kind(world: World) -> None:
    scans = world.commit("scans", {b"d/a": b"a", b"d/b": b"b"}, record=PUT)
    later = world.commit("scans", {b"d/c": b"c"}, record=PUT)
    names = with_names(apart(world, later, {b"x": []}), listed=[b"d", b""], absent=[b"config"])
    index = world.commit("index", {b"x": b"x"}, record=names)
    graph = up(world.library, world.resolved(index))
    (group,) = [node for node in graph.nodes if isinstance(node, FilesNode)]
    assert (group.files, group.listed, group.absent) == ((), (b"", b"d"), (b"config",))
    text = render(graph, "text")
    assert "listed 2 directories" in text and "looked for 1 name in vain" in text
    full = render(graph, "text", full=True)
    assert "listed /" in full and "listed d" in full and "looked for config in vain" in full
    assert {node.commit for node in graph.nodes if isinstance(node, CommitNode)} == {index.id, later.id}
    followed = up(world.library, world.resolved(index), listings=True)
    # The names in d go back to both puts.
    assert {node.commit for node in followed.nodes if isinstance(node, CommitNode)} == {index.id, later.id, scans.id}


def test_what_only_listed_or_missed_a_file_is_shown_on_request(world: World) -> None:
    scans = world.commit("scans", {b"d/a": b"a", b"e": b"e"}, record=PUT)
    listing = with_names(apart(world, scans, {b"x": []}), listed=[b"d"], absent=[])
    missing = with_names(apart(world, scans, {b"y": []}), listed=[], absent=[b"d/a"])
    both = with_names(apart(world, scans, {b"z": [b"d/a"]}), listed=[b"d"], absent=[])
    world.commit("listing", {b"x": b"x"}, record=listing)
    world.commit("missing", {b"y": b"y"}, record=missing)
    world.commit("both", {b"z": b"z"}, record=both)
    assert found_in(down(world.library, world.resolved(scans, b"d/a"))) == {"both": ((b"z",), ())}
    graph = down(world.library, world.resolved(scans, b"d/a"), listings=True)
    assert found_in(graph) == {"both": ((b"z",), ()), "listing": ((), (b"x",)), "missing": ((), (b"y",))}
    groups = {node.id.split(":")[1]: node for node in graph.nodes if isinstance(node, FilesNode)}
    assert (groups["listing"].listed, groups["missing"].absent) == ((b"d",), (b"d/a",))
    assert (groups["both"].files != (), groups["both"].listed) == (True, ())
    assert set(found_in(down(world.library, world.resolved(scans, b"e"), listings=True))) == set()


def test_a_merge_takes_over_paths_and_mixes_nothing(world: World) -> None:
    base = world.commit("doc", {b"a": b"a", b"b": b"b"}, record=PUT)
    Refs(world.library, "doc").branches.create("side", base.id)
    scans = world.commit("scans", {b"s": b"s"}, record=PUT)
    side = world.commit(
        "doc",
        {b"a": b"A", b"n": b"n"},
        branch="side",
        record=apart(world, scans, {b"a": [b"s"], b"n": []}, kind="mount"),
    )
    world.commit("doc", {b"c": b"c"}, record=PUT)
    merged = merge(
        world.library, Revision("doc"), Revision("doc", "side"), record=a_record(kind="merge", level="none")
    ).stored
    assert len(merged.commit.parents) == 2
    report = world.commit("report", {b"r": b"r", b"q": b"q"}, record=apart(world, merged, {b"r": [b"a"], b"q": [b"c"]}))
    graph = down(world.library, world.resolved(side, b"a"))
    names = {node.commit: node for node in graph.affected()}
    assert (names[merged.id].direct, names[merged.id].possible) == ((b"a",), ())
    assert (names[report.id].direct, names[report.id].possible) == ((b"r",), (b"q",))
    assert merged.id not in {node.commit for node in down(world.library, world.resolved(side, b"b")).affected()}
    from_scans = {node.commit: node for node in down(world.library, world.resolved(scans, b"s")).affected()}
    assert (from_scans[merged.id].direct, from_scans[merged.id].possible) == ((b"a",), (b"n",))
    assert from_scans[report.id].direct == (b"r",)
    # Upwards a path goes to the same path of what was merged, and through it to what that was made from.
    above = up(world.library, world.resolved(merged, b"a"))
    assert files_in(above) == {"scans": [b"s"]}
    assert files_in(up(world.library, world.resolved(merged, b"n"))) == {}
