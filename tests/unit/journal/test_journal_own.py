"""What an output was made from: its writer's reads, those of its children, of what it was linked to, and no others."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import a_process, a_record
from journal_world import given as as_inputs

from vfs.journal import own
from vfs.journal.flow import ProcessFlow
from vfs.journal.own import OwnInputs, own_inputs
from vfs.model.record import Output, Process, Read, RunRecord

DIGEST = b"d" * 32


def proc(key: int, parent: int = 0, *linked: int, pid: int = 0, exe: bytes = b"/bin/x") -> Process:
    return a_process(key, parent=parent, linked=linked, pid=pid or 100 + key, exe=exe, argv=(exe,) if exe else ())


def record(
    processes: list[Process],
    reads: list[tuple[int, str, int]],
    outputs: list[tuple[str, int, int]],
    *,
    level: str = "fanotify",
    gaps: int = 0,
    listed: list[tuple[int, str, int]] | None = None,
    absent: list[tuple[int, str, int]] | None = None,
) -> RunRecord:
    """Reads as (process, path, at), outputs as (path, writer, at)."""
    made = a_record(
        as_inputs(),
        [Read(process, 0, path.encode(), DIGEST, at) for process, path, at in reads],
        level=level,
        gaps=gaps,
        outputs=tuple(Output(path.encode(), DIGEST, writer, at) for path, writer, at in outputs),
    )
    return msgspec.structs.replace(
        made,
        processes=tuple(processes),
        listed=tuple(Read(process, 0, path.encode(), b"", at) for process, path, at in listed or []),
        absent=tuple(Read(process, 0, path.encode(), b"", at) for process, path, at in absent or []),
    )


def names(made: RunRecord, path: str) -> str:
    """The files that an output was made from, one word; `*` before those of the whole run."""
    found = own_inputs(made, path.encode())
    return ("" if found.narrowed else "*") + " ".join(read.path.decode() for read in found.reads)


def test_each_child_of_a_shell_has_what_it_read_itself() -> None:
    made = record(
        [proc(1), proc(2, 1), proc(3, 1)],
        [(2, "a", 1), (3, "b", 3), (1, "late", 5)],
        [("x", 2, 2), ("y", 3, 4), ("all", 1, 6)],
    )
    assert [names(made, path) for path in ("x", "y", "all")] == ["a", "b", "a b late"]


def test_what_was_read_after_the_last_write_does_not_count() -> None:
    made = record([proc(1)], [(1, "a", 1), (1, "b", 3)], [("x", 1, 2), ("y", 1, 4)])
    assert [names(made, path) for path in ("x", "y")] == ["a", "a b"]


def test_a_moment_that_is_not_known_counts_for_the_reader_and_for_the_writer() -> None:
    made = record([proc(1)], [(1, "a", 0), (1, "b", 9)], [("x", 1, 2), ("y", 1, 0)])
    assert [names(made, path) for path in ("x", "y")] == ["a", "a b"]


def test_grandchildren_count_and_parents_do_not() -> None:
    made = record([proc(1), proc(2, 1), proc(3, 2)], [(1, "p", 1), (2, "c", 2), (3, "g", 3)], [("x", 2, 9)])
    assert names(made, "x") == "c g"


def test_a_pipe_brings_in_its_other_end_with_children_and_what_that_was_linked_to() -> None:
    # (1 (2 3) | 4 > x) beside 5: 2 is a shell whose child 3 reads; 6 feeds 2 by another pipe.
    tree = [proc(1), proc(2, 1, 6), proc(3, 2), proc(4, 1, 2), proc(5, 1), proc(6, 1)]
    reads = [(2, "b", 1), (3, "c", 2), (4, "d", 3), (5, "e", 4), (6, "f", 5), (3, "late", 8)]
    assert names(record(tree, reads, [("x", 4, 7)]), "x") == "b c d f"


def test_what_was_forked_has_what_its_ancestor_read_and_not_what_its_siblings_did() -> None:
    # A pool without pipes: 1 read the model, 2 and 3 are forked from it without executing anything.
    tree = [proc(1), proc(2, 1, 1), proc(3, 1, 1), proc(4, 3)]
    reads = [(1, "model", 1), (2, "a", 2), (3, "b", 3), (4, "c", 4)]
    made = record(tree, reads, [("x", 2, 9), ("y", 3, 9)])
    assert [names(made, path) for path in ("x", "y")] == ["model a", "model b c"]


def test_a_pool_that_shares_one_pipe_shares_its_inputs() -> None:
    tree = [proc(1, 0, 2, 3), proc(2, 1, 1, 3), proc(3, 1, 1, 2)]
    made = record(tree, [(2, "a", 1), (3, "b", 2)], [("x", 2, 9)])
    assert names(made, "x") == "a b"


def test_a_program_has_what_was_read_before_it_was_executed_and_by_children_of_then() -> None:
    # sh (2) ran 4, then executed 3 in its place.
    tree = [proc(1), proc(2, 1, pid=50), proc(3, 1, 2, pid=50), proc(4, 2)]
    made = record(tree, [(2, "script", 1), (4, "list", 2), (3, "data", 3), (1, "no", 4)], [("x", 3, 9)])
    assert names(made, "x") == "script list data"


def test_an_ancestor_that_executed_another_program_stays_without_its_other_children() -> None:
    # 1 became 2, which forked 4; 3 was another child, of the time before.
    tree = [proc(1, pid=50), proc(2, 0, 1, pid=50), proc(3, 1), proc(4, 2, 2)]
    made = record(tree, [(1, "a", 1), (2, "b", 2), (3, "c", 3), (4, "d", 4)], [("x", 4, 9)])
    assert names(made, "x") == "a b d"


def test_links_go_one_way_as_they_are_recorded() -> None:
    made = record([proc(1), proc(2, 1, 3), proc(3, 1)], [(2, "a", 1), (3, "b", 2)], [("x", 2, 9), ("y", 3, 9)])
    assert [names(made, path) for path in ("x", "y")] == ["a b", "b"]


def test_cycles_of_links_and_of_parents_end() -> None:
    made = record([proc(1, 3, 2), proc(2, 1, 3), proc(3, 2, 1)], [(1, "a", 1), (3, "b", 2)], [("x", 2, 9)])
    assert names(made, "x") == "a b"
    itself = record([proc(1, 1, 1)], [(1, "a", 1)], [("x", 1, 9)])
    assert names(itself, "x") == "a"


def test_a_writer_that_read_nothing_made_its_file_of_nothing() -> None:
    made = record([proc(1), proc(2, 1)], [(1, "a", 1)], [("x", 2, 9)])
    found = own_inputs(made, b"x")
    assert (found.narrowed, found.reads, found.reason) == (True, (), "")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (record([proc(1)], [(1, "a", 1)], [("x", 1, 9)], level="none"), own.NOT_OBSERVED),
        (record([proc(1)], [(1, "a", 1)], [("x", 1, 9)], gaps=1), own.LOST),
        (record([proc(1)], [(1, "a", 1)], [("x", 0, 0)]), own.NO_WRITER),
        (record([proc(1)], [(1, "a", 1)], [("x", 7, 9)]), own.NO_WRITER),
        (record([proc(1)], [(1, "a", 1)], [("y", 1, 9)]), own.NO_OUTPUT),
        (record([], [(0, "a", 0)], [("x", 0, 0)], level="open"), own.NO_WRITER),
    ],
)
def test_what_is_not_known_is_never_narrowed(made: RunRecord, reason: str) -> None:
    found = own_inputs(made, b"x")
    assert (found.narrowed, found.reason, [read.path for read in found.reads]) == (False, reason, [b"a"])
    outputs = {output.path for output in made.outputs}
    assert OwnInputs(made).made_from(lambda read: read.path == b"a") == outputs
    assert OwnInputs(made).made_from(lambda read: read.path == b"b") == set()


def test_reads_of_nobody_known_belong_to_everything() -> None:
    tree = [proc(1), proc(2, 1), proc(3, 1), proc(4, 99, exe=b"")]
    reads = [(0, "undescribed", 1), (77, "unknown", 2), (4, "bare", 3), (3, "other", 4), (0, "late", 10)]
    made = record(tree, reads, [("x", 2, 9)])
    assert names(made, "x") == "undescribed unknown bare"
    assert OwnInputs(made).made_from(lambda read: read.path == b"bare") == {b"x"}
    assert OwnInputs(made).made_from(lambda read: read.path == b"late") == set()


def test_directories_and_symlinks_go_by_their_writer_like_files() -> None:
    made = record([proc(1), proc(2, 1)], [(1, "a", 1), (2, "b", 2)], [])
    outputs = (Output(b"dir", b"", 2, 5), Output(b"link", b"", 0, 0))
    made = msgspec.structs.replace(made, outputs=outputs)
    assert [names(made, path) for path in ("dir", "link")] == ["b", "*a b"]


def test_listings_and_absent_names_are_narrowed_in_the_same_way() -> None:
    made = record(
        [proc(1), proc(2, 1), proc(3, 1)],
        [(2, "a", 1)],
        [("x", 2, 5), ("y", 3, 6)],
        listed=[(2, "d", 2), (3, "e", 3), (2, "f", 9)],
        absent=[(2, "g", 4), (1, "h", 3)],
    )
    found = own_inputs(made, b"x")
    assert ([one.path for one in found.listed], [one.path for one in found.absent]) == ([b"d"], [b"g"])
    wanted = OwnInputs(made)
    assert wanted.made_from(lambda read: read.path == b"e", kinds=("listed",)) == {b"y"}
    assert wanted.made_from(lambda read: read.path == b"e") == set()


def test_several_outputs_have_the_inputs_of_each_in_the_order_of_the_record() -> None:
    made = record(
        [proc(1), proc(2, 1), proc(3, 1)],
        [(3, "b", 1), (2, "a", 2), (2, "late", 8)],
        [("x", 2, 5), ("y", 3, 9), ("z", 0, 0)],
    )
    found = OwnInputs(made)
    assert [read.path for read in found.of([b"x", b"y"]).reads] == [b"b", b"a"]
    assert not found.of([b"x", b"z"]).narrowed
    assert found.of([]).reads == ()


def test_thousands_of_outputs_and_reads_are_indexed_once() -> None:
    """20,000 writers in a chain of forks, each linked to the one before: bounded work, whatever is asked."""
    count = 20_000
    processes = [proc(key, key - 1, key - 1) for key in range(1, count + 1)]
    reads = [(key, f"r{key}", key) for key in range(1, count + 1)]
    outputs = [(f"o{key}", key, count + key) for key in range(1, count + 1)]
    found = OwnInputs(record(processes, reads, outputs))
    assert len(found.made_from(lambda read: read.path == b"r1")) == count
    assert len(found.of([b"o%d" % key for key in range(1, count + 1)]).reads) == count
    # The last of the chain has no children, and all of its ancestors' reads.
    assert len(found.of([b"o%d" % count]).reads) == count


keys = st.integers(0, 6)


@settings(max_examples=300, deadline=None)
@given(
    shape=st.lists(st.tuples(keys, st.lists(keys, max_size=3)), min_size=1, max_size=6),
    reads=st.lists(st.tuples(keys, st.integers(0, 9)), max_size=8),
    outputs=st.lists(st.tuples(keys, st.integers(0, 9)), min_size=1, max_size=5),
)
def test_asking_from_an_output_and_from_an_input_agree(
    shape: list[tuple[int, list[int]]], reads: list[tuple[int, int]], outputs: list[tuple[int, int]]
) -> None:
    made = record(
        [proc(key, parent, *linked) for key, (parent, linked) in enumerate(shape, 1)],
        [(process, f"r{number}", at) for number, (process, at) in enumerate(reads)],
        [(f"o{number}", writer, at) for number, (writer, at) in enumerate(outputs)],
    )
    both = OwnInputs(made)
    for output, read in itertools.product(made.outputs, made.reads):
        found = both.of([output.path])
        has = read in found.reads
        assert (output.path in both.made_from(lambda one, wanted=read: one == wanted)) == has
        if read.process == output.writer and read.at <= (output.at or 10):
            assert has


def test_a_flow_knows_which_processes_it_has() -> None:
    flow = ProcessFlow([proc(1), proc(1, 5, exe=b"/bin/again"), proc(-3), proc(0)])
    assert [key in flow for key in (1, -3, 0)] == [True, False, False]
    assert flow.unplaced() == frozenset()
