from __future__ import annotations

import sqlite3

import pytest
from journal_world import World, a_record, given

from vfs.errors import Corrupt, PathNotFound
from vfs.journal.consumers import Consumers
from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph, RunNode
from vfs.journal.lineage import down, up
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.ids import short
from vfs.model.record import Read, RunRecord
from vfs.repo.layout import commit_key
from vfs.repo.repos import delete_repo

PUT = a_record(kind="put", command=(b"vfs", b"put"), level="none")


def _name(node_id: str, graph: Graph, names: dict[bytes, str]) -> str:
    node = graph.by_id()[node_id]
    if isinstance(node, CommitNode):
        return names.get(node.commit, short(node.commit))
    if isinstance(node, FilesNode):
        return "+".join(path.decode() for path, _ in node.files)
    commit = bytes.fromhex(node_id.rpartition(":")[2])
    return f"{node.kind}>{names.get(commit, short(commit))}"


def _edges(graph: Graph, **commits: StoredCommit) -> set[str]:
    """The edges as `source role target`, commits by the given names, files by their paths, runs by what they made."""
    names = {stored.id: name for name, stored in commits.items()}
    return {
        f"{_name(edge.source, graph, names)} {edge.role} {_name(edge.target, graph, names)}" for edge in graph.edges
    }


def _check(graph: Graph) -> None:
    """What holds of every graph: unique nodes, edges between them, no cycle, the root first."""
    ids = [node.id for node in graph.nodes]
    assert len(ids) == len(set(ids))
    assert ids[0] == graph.root
    assert len({(edge.source, edge.target, edge.role) for edge in graph.edges}) == len(graph.edges)
    targets: dict[str, list[str]] = {}
    for edge in graph.edges:
        assert edge.source in ids and edge.target in ids
        targets.setdefault(edge.source, []).append(edge.target)
    left = dict.fromkeys(ids, 0)
    for edge in graph.edges:
        left[edge.target] += 1
    free = [id for id in ids if not left[id]]
    for id in free:
        for target in targets.get(id, []):
            left[target] -= 1
            if not left[target]:
                free.append(target)
    assert len(free) == len(ids)


def test_a_put_has_nothing_behind_it_but_itself(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"}, message="first", record=PUT)
    graph = up(world.library, world.resolved(photos))
    _check(graph)
    assert _edges(graph, photos=photos) == {"put>photos made photos"}
    run = graph.nodes[1]
    assert isinstance(run, RunNode)
    assert (run.command, run.user, run.host, run.exit_code) == ((b"vfs", b"put"), "anna", "host1", 0)


def test_a_run_shows_its_inputs_and_the_files_it_read_through_all_repos(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a", b"b.jpg": b"b", b"c.jpg": b"c"}, record=PUT)
    code = world.commit("code", {b"t.py": b"x"}, record=PUT)
    reads = [*world.read(photos, b"a.jpg", b"b.jpg"), *world.read(code, b"t.py", place=1)]
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos, code), reads))
    report = world.commit("report", {b"r": b"r"}, record=a_record(given(thumbs), world.read(thumbs, b"a.png")))
    graph = up(world.library, world.resolved(report))
    _check(graph)
    assert _edges(graph, photos=photos, code=code, thumbs=thumbs, report=report) == {
        "run>report made report",
        "a.png read run>report",
        "thumbs holds a.png",
        "run>thumbs made thumbs",
        "a.jpg+b.jpg read run>thumbs",
        "photos holds a.jpg+b.jpg",
        "t.py read run>thumbs",
        "code holds t.py",
        "put>photos made photos",
        "put>code made code",
    }
    assert graph.notes == ()


def test_a_file_that_two_processes_read_is_one_file(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"})
    reads = [*world.read(photos, b"a.jpg"), *world.read(photos, b"a.jpg", process=0)]
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos), reads))
    files = [node for node in up(world.library, world.resolved(thumbs)).nodes if isinstance(node, FilesNode)]
    assert [[path for path, _ in node.files] for node in files] == [[b"a.jpg"]]


def test_depth_counts_runs_and_says_that_there_is_more(world: World) -> None:
    made = world.commit("r0", {b"f": b"0"}, record=PUT)
    for number in range(1, 5):
        made = world.commit(f"r{number}", {b"f": b"%d" % number}, record=a_record(given(made), world.read(made, b"f")))
    graph = up(world.library, world.resolved(made), depth=2)
    _check(graph)
    commits = [node for node in graph.nodes if isinstance(node, CommitNode)]
    assert [(node.repo, node.more) for node in commits] == [("r4", False), ("r3", False), ("r2", True)]
    assert len([node for node in graph.nodes if isinstance(node, RunNode)]) == 2
    (only,) = up(world.library, world.resolved(made), depth=0).nodes
    assert isinstance(only, CommitNode) and only.more
    whole = up(world.library, world.resolved(made))
    assert not any(node.more for node in whole.nodes if isinstance(node, CommitNode))
    below = down(world.library, world.resolved(made))
    assert len(below.nodes) == 1


def test_a_path_asks_the_commit_that_last_changed_it(world: World) -> None:
    one = world.commit("src1", {b"x": b"1"})
    two = world.commit("src2", {b"x": b"2"})
    first = world.commit(
        "out", {b"a": b"a", b"d/b": b"b"}, record=a_record(given(one), world.read(one, b"x"), kind="mount")
    )
    second = world.commit("out", {b"d/c": b"c"}, record=a_record(given(two), world.read(two, b"x"), kind="mount"))
    third = world.commit("out", {b"z": b"z"}, record=PUT)
    known = {"one": one, "two": two, "first": first, "second": second, "third": third}

    def behind(path: bytes) -> set[str]:
        graph = up(world.library, world.resolved(third, path))
        _check(graph)
        return _edges(graph, **known)

    from_one = {"first carried third", "mount>first made first", "x read mount>first", "one holds x"}
    from_two = {"second carried third", "mount>second made second", "x read mount>second", "two holds x"}
    assert behind(b"a") == from_one
    assert behind(b"d/c") == from_two
    assert behind(b"z") == {"put>third made third"}
    # A directory is all the files in it.
    assert behind(b"d") == from_one | from_two
    # The whole commit: its own run, and earlier ones of which something is left.
    assert behind(b"") == from_one | from_two | {"put>third made third"}
    assert up(world.library, world.resolved(third), path=b"a").path == b"a"


def test_a_path_that_is_not_there_is_not_found(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"})
    for ask in (up, down):
        with pytest.raises(PathNotFound, match=r"no path b\\x1b\.jpg in this commit"):
            ask(world.library, world.resolved(photos, b"b\x1b.jpg"))


def test_what_was_replaced_is_no_longer_behind_a_commit(world: World) -> None:
    source = world.commit("src", {b"x": b"1"})
    read = world.read(source, b"x")
    first = world.commit("out", {b"a": b"a"}, record=a_record(given(source), read, kind="mount"))
    edited = world.commit("out", {b"a": b"by hand"}, record=PUT)
    assert _edges(up(world.library, world.resolved(edited)), edited=edited) == {"put>edited made edited"}
    assert _edges(up(world.library, world.resolved(first)), first=first, src=source) == {
        "mount>first made first",
        "x read mount>first",
        "src holds x",
    }


def test_a_run_that_replaced_the_tree_owes_nothing_to_what_was_there(world: World) -> None:
    source = world.commit("src", {b"x": b"1"})
    world.commit("out", {b"a": b"a"}, record=a_record(given(source), world.read(source, b"x")))
    again = world.commit(
        "out", {b"a": b"a"}, replace=True, record=a_record(given(source), world.read(source, b"x"), command=(b"again",))
    )
    runs = [node for node in up(world.library, world.resolved(again)).nodes if isinstance(node, RunNode)]
    assert [run.command for run in runs] == [(b"again",)]


def test_reads_lead_to_the_commit_that_made_the_file(world: World) -> None:
    raw = world.commit("raw", {b"x": b"1"})
    clean1 = world.commit("clean", {b"a": b"a"}, record=a_record(given(raw), world.read(raw, b"x"), kind="mount"))
    clean2 = world.commit("clean", {b"b": b"b"}, record=PUT)
    model = world.commit("model", {b"m": b"m"}, record=a_record(given(clean2), world.read(clean2, b"a")))
    graph = up(world.library, world.resolved(model))
    _check(graph)
    # The put of b is not behind the model: b was not read.
    assert _edges(graph, raw=raw, clean1=clean1, clean2=clean2, model=model) == {
        "run>model made model",
        "a read run>model",
        "clean2 holds a",
        "clean1 carried clean2",
        "mount>clean1 made clean1",
        "x read mount>clean1",
        "raw holds x",
    }


@pytest.mark.parametrize(("level", "gaps"), [("none", 0), ("open", 3)])
def test_reads_that_were_not_all_seen_bring_in_the_whole_input(world: World, level: str, gaps: int) -> None:
    raw = world.commit("raw", {b"x": b"1"})
    clean1 = world.commit("clean", {b"a": b"a"}, record=a_record(given(raw), world.read(raw, b"x"), kind="mount"))
    clean2 = world.commit("clean", {b"b": b"b"}, record=PUT)
    model = world.commit("model", {b"m": b"m"}, record=a_record(given(clean2), level=level, gaps=gaps))
    assert _edges(up(world.library, world.resolved(model)), raw=raw, clean1=clean1, clean2=clean2, model=model) == {
        "run>model made model",
        "clean2 given run>model",
        "put>clean2 made clean2",
        "clean1 carried clean2",
        "mount>clean1 made clean1",
        "x read mount>clean1",
        "raw holds x",
    }


def test_an_input_of_which_nothing_was_read_is_shown_and_not_followed(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"}, record=PUT)
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos)))
    assert _edges(up(world.library, world.resolved(thumbs)), photos=photos, thumbs=thumbs) == {
        "run>thumbs made thumbs",
        "photos given run>thumbs",
    }


def test_a_commit_with_inputs_and_no_record_still_leads_up_and_down(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"})
    made = world.commit("out", {b"b": b"b"}, inputs=given(photos))
    expected = {"photos given made"}
    assert _edges(up(world.library, world.resolved(made)), photos=photos, made=made) == expected
    assert _edges(down(world.library, world.resolved(photos)), photos=photos, made=made) == expected


def test_a_lost_input_is_shown_as_lost(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"})
    code = world.commit("code", {b"t.py": b"x"}, record=PUT)
    record = a_record(given(photos, code), [*world.read(photos, b"a.jpg"), *world.read(code, b"t.py", place=1)])
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=record)
    delete_repo(world.library, "images", force=True)
    with world.reopened() as fresh:
        graph = up(fresh.library, fresh.resolved(thumbs))
    _check(graph)
    nodes = {node.repo: node for node in graph.nodes if isinstance(node, CommitNode)}
    assert nodes["images"].problem == f"images: no commit {photos.id.hex()}"
    assert not nodes["code"].problem
    assert "put>code made code" in _edges(graph, code=code)


def test_a_damaged_commit_is_corrupt_at_the_root_and_shown_further_up(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"}, record=PUT)
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos), world.read(photos, b"a.jpg")))
    world.damage(commit_key("images", photos.id))
    with world.reopened() as fresh:
        graph = up(fresh.library, fresh.resolved(thumbs))
        lost = [node.problem for node in graph.nodes if isinstance(node, CommitNode) and node.problem]
        assert len(lost) == 1 and "commit" in lost[0]
        below = down(fresh.library, fresh.resolved(thumbs))
        assert len(below.notes) == 1 and photos.id.hex()[:12] in below.notes[0]


@pytest.mark.parametrize(
    "broken",
    [
        {"reads": (Read(1, 1, b"x", b"d" * 32),)},
        {"reads": (Read(1, -1, b"x", b"d" * 32),)},
        {"reads": (Read(1, 0, b"../x", b"d" * 32),)},
        {"inputs": (InputCommit("x", "../../etc", b"c" * 32),), "reads": ()},
        {"inputs": (InputCommit("x", "images", b"c"),), "reads": ()},
    ],
)
def test_a_record_that_makes_no_sense_is_corrupt(world: World, broken: dict[str, object]) -> None:
    photos = world.commit("images", {b"x": b"a"})
    good = a_record(given(photos), world.read(photos, b"x"))
    values = {name: getattr(good, name) for name in good.__struct_fields__}
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=RunRecord(**{**values, **broken}))
    with pytest.raises(Corrupt, match=short(thumbs.id)):
        up(world.library, world.resolved(thumbs))
    assert down(world.library, world.resolved(photos)).notes != () or "reads" not in broken


def test_down_finds_what_was_made_in_all_repos(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a", b"b.jpg": b"b"}, record=PUT)
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos), world.read(photos, b"a.jpg")))
    report = world.commit("report", {b"r": b"r"}, record=a_record(given(thumbs), world.read(thumbs, b"a.png")))
    stats = world.commit("stats", {b"s": b"s"}, record=a_record(given(photos), level="none"))
    unused = world.commit("unused", {b"u": b"u"}, record=a_record(given(photos)))
    world.commit("apart", {b"u": b"u"}, record=PUT)
    known = {"photos": photos, "thumbs": thumbs, "report": report, "stats": stats, "unused": unused}
    graph = down(world.library, world.resolved(photos))
    _check(graph)
    through = {
        "photos holds a.jpg",
        "a.jpg read run>thumbs",
        "run>thumbs made thumbs",
        "thumbs holds a.png",
        "a.png read run>report",
        "run>report made report",
    }
    unseen = {"photos given run>stats", "run>stats made stats"}
    assert _edges(graph, **known) == through | unseen | {"photos given run>unused", "run>unused made unused"}
    assert _edges(down(world.library, world.resolved(photos, b"a.jpg")), **known) == through | unseen
    assert _edges(down(world.library, world.resolved(photos, b"b.jpg")), **known) == unseen
    shallow = down(world.library, world.resolved(photos, b"a.jpg"), depth=1)
    assert _edges(shallow, **known) == (through | unseen) - {
        "thumbs holds a.png", "a.png read run>report", "run>report made report"
    }  # fmt: skip
    assert [node.repo for node in shallow.nodes if isinstance(node, CommitNode) and node.more] == ["thumbs"]


def test_down_counts_an_unchanged_file_in_later_and_earlier_commits(world: World) -> None:
    one = world.commit("images", {b"a": b"a", b"b": b"b"})
    two = world.commit("images", {b"b": b"new b"})
    three = world.commit("images", {b"a": b"new a"})
    of_one = world.commit("of1", {b"o": b"1"}, record=a_record(given(one), world.read(one, b"a")))
    of_two = world.commit("of2", {b"o": b"2"}, record=a_record(given(two), world.read(two, b"a", b"b")))
    of_three = world.commit("of3", {b"o": b"3"}, record=a_record(given(three), world.read(three, b"a", b"b")))
    known = {"one": one, "two": two, "three": three, "of1": of_one, "of2": of_two, "of3": of_three}

    def users(stored: StoredCommit, path: bytes) -> set[str]:
        graph = down(world.library, world.resolved(stored, path))
        _check(graph)
        return {edge.rpartition(" ")[2] for edge in _edges(graph, **known) if " made " in edge}

    assert users(one, b"a") == {"of1", "of2"}
    assert users(two, b"a") == {"of1", "of2"}
    assert users(three, b"a") == {"of3"}
    assert users(one, b"b") == set()
    assert users(two, b"b") == {"of2", "of3"}
    # Whole commits: who read what this commit made, or was given it.
    assert users(one, b"") == {"of1", "of2"}
    assert users(two, b"") == {"of2", "of3"}
    assert users(three, b"") == {"of3"}
    graph = down(world.library, world.resolved(one, b"a"))
    assert "one carried two" in _edges(graph, **known)
    files = [node for node in graph.nodes if isinstance(node, FilesNode)]
    assert [[path for path, _ in node.files] for node in files] == [[b"a"], [b"a"]]


def test_up_and_down_agree(world: World) -> None:
    """What is below a commit has that commit above it. (Plain puts are not listed above the commits after them.)"""
    commits = [world.commit("base", {b"a": b"0", b"b": b"0"}, record=PUT)]
    commits.append(world.commit("base", {b"a": b"1"}, record=PUT))
    for number, (source, paths) in enumerate(
        [(0, [b"a"]), (1, [b"b"]), (1, [b"a"]), (2, [b"f"]), (3, []), (4, [b"f"])]
    ):
        of = commits[source]
        record = a_record(given(of), world.read(of, *paths))
        commits.append(world.commit(f"made{number}", {b"f": b"%d" % number}, record=record))
    for upper in commits:
        below = {
            node.commit for node in down(world.library, world.resolved(upper)).nodes if isinstance(node, CommitNode)
        }
        for lower in commits[2:]:
            above = {
                node.commit for node in up(world.library, world.resolved(lower)).nodes if isinstance(node, CommitNode)
            }
            if lower.id in below:
                assert upper.id in above
    first, second = commits[0], commits[1]
    # made1 read b of the second commit, which the first one made.
    assert first.id in {
        n.commit for n in up(world.library, world.resolved(commits[3])).nodes if isinstance(n, CommitNode)
    }
    assert commits[3].id in {
        n.commit for n in down(world.library, world.resolved(first)).nodes if isinstance(n, CommitNode)
    }
    assert second.id != first.id


def test_a_writable_mount_of_a_repo_leads_back_into_it(world: World) -> None:
    one = world.commit("doc", {b"a": b"a"}, record=PUT)
    record = a_record(given(one), world.read(one, b"a"), kind="mount", command=(b"vfs", b"commit", b"/mnt"))
    two = world.commit("doc", {b"b": b"b"}, record=record)
    above = up(world.library, world.resolved(two))
    _check(above)
    assert _edges(above, one=one, two=two) == {
        "mount>two made two",
        "a read mount>two",
        "one holds a",
        "put>one made one",
    }
    below = down(world.library, world.resolved(one))
    _check(below)
    assert _edges(below, one=one, two=two) == {"one holds a", "a read mount>two", "mount>two made two"}


def test_a_diamond_is_drawn_once(world: World) -> None:
    top = world.commit("top", {b"x": b"x"}, record=PUT)
    left = world.commit("left", {b"l": b"l"}, record=a_record(given(top), world.read(top, b"x")))
    right = world.commit("right", {b"r": b"r"}, record=a_record(given(top), world.read(top, b"x")))
    both = [*world.read(left, b"l"), *world.read(right, b"r", place=1)]
    end = world.commit("end", {b"e": b"e"}, record=a_record(given(left, right), both))
    for graph in (up(world.library, world.resolved(end)), down(world.library, world.resolved(top))):
        _check(graph)
        assert sorted(node.repo for node in graph.nodes if isinstance(node, CommitNode)) == [
            "end",
            "left",
            "right",
            "top",
        ]


def test_a_chain_of_many_runs_is_followed_to_its_end(world: World) -> None:
    made = first = world.commit("chain", {b"f": b"0"}, record=PUT)
    for number in range(1, 60):
        record = a_record(given(made), world.read(made, b"f"))
        made = world.commit("chain", {b"f": b"%d" % number}, replace=True, record=record)
    above = up(world.library, world.resolved(made))
    below = down(world.library, world.resolved(first))
    for graph in (above, below):
        assert len([node for node in graph.nodes if isinstance(node, CommitNode)]) == 60
    assert isinstance(above.edges[0], Edge)


def test_what_this_host_has_read_before_is_not_read_again(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"}, record=PUT)
    thumbs = world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos), world.read(photos, b"a.jpg")))
    first = down(world.library, world.resolved(photos))
    (cache,) = (world.directory / "cache/lineage").iterdir()
    later = world.commit("later", {b"l": b"l"}, record=a_record(given(thumbs), world.read(thumbs, b"a.png")))
    with world.reopened() as fresh:
        consumers = Consumers(fresh.library)
        # Of three commits only the new one was read, and is held in memory now.
        read = [
            stored.id
            for stored in (photos, thumbs, later)
            if fresh.library.commits.get((stored.commit.repo, stored.id))
        ]
        assert read == [later.id]
        assert [consumer.commit for consumer in consumers.of_repo("images")] == [thumbs.id]
        assert len(down(fresh.library, fresh.resolved(photos)).nodes) == len(first.nodes) + 3
    assert cache.stat().st_mode & 0o077 == 0 or cache.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["junk", "flipped", "emptied", "deleted", "directory"])
def test_a_damaged_cache_of_inputs_changes_no_answer(world: World, damage: str) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"}, record=PUT)
    world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos), world.read(photos, b"a.jpg")))
    expected = down(world.library, world.resolved(photos))
    (cache,) = (world.directory / "cache/lineage").iterdir()
    if damage == "junk":
        cache.write_bytes(b"junk" * 4096)
    elif damage == "flipped":
        with sqlite3.connect(cache) as conn:
            conn.execute("UPDATE inputs SET row = zeroblob(length(row))")
        conn.close()
    elif damage == "emptied":
        cache.write_bytes(b"")
    else:
        cache.unlink()
        if damage == "directory":
            cache.mkdir()
    with world.reopened() as fresh:
        assert down(fresh.library, fresh.resolved(photos)) == expected
        assert down(fresh.library, fresh.resolved(photos)) == expected


def test_a_deleted_repo_is_no_longer_below(world: World) -> None:
    photos = world.commit("images", {b"a.jpg": b"a"}, record=PUT)
    world.commit("thumbs", {b"a.png": b"t"}, record=a_record(given(photos), world.read(photos, b"a.jpg")))
    assert len(down(world.library, world.resolved(photos)).nodes) == 4
    delete_repo(world.library, "thumbs", force=True)
    with world.reopened() as fresh:
        assert len(down(fresh.library, fresh.resolved(photos)).nodes) == 1
