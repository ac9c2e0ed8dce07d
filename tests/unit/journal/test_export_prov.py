"""PROV-JSON, read by the `prov` package."""

from __future__ import annotations

import json
import tracemalloc
import warnings
from collections import Counter
from urllib.parse import unquote_to_bytes

import pytest
from export_world import HOSTILE, MADE, Exported, without_controls
from journal_world import World
from prov.model import ProvDocument, ProvEntity

from vfs.journal.graph import CommitNode, Edge, FilesNode, Graph
from vfs.journal.lineage import down, up
from vfs.journal.render.formats import pieces, render
from vfs.model.ids import digest_of


@pytest.fixture
def exported(world: World) -> Exported:
    return Exported(world)


def parsed(text: str) -> ProvDocument:
    with warnings.catch_warnings():
        # The package warns of whatever it has to guess at or leave out.
        warnings.simplefilter("error")
        return ProvDocument.deserialize(content=text, format="json")


def test_a_document_survives_the_round_trip(exported: Exported) -> None:
    document = parsed(render(exported.up(), "prov", full=True))
    again = parsed(document.serialize(format="json"))
    assert again == document
    assert document.unified() == document


def test_relations_lead_from_the_report_back_to_the_photos(exported: Exported) -> None:
    document = parsed(render(exported.up(), "prov"))
    kinds = Counter(str(record.get_type()) for record in document.records)
    # Four runs; four commits and the older one; groups of files; files read and written; git work trees.
    assert kinds["prov:Activity"] == 4
    assert kinds["prov:Association"] >= 8 and kinds["prov:Delegation"] >= 4
    assert kinds["prov:Usage"] == 3 + 2
    report, thumbs = (f"vfs:{stored.commit.repo}@{stored.id.hex()}" for stored in (exported.report, exported.thumbs))
    generated = {
        tuple(str(value) for _, value in record.attributes[:2])
        for record in document.records
        if str(record.get_type()) == "prov:Generation"
    }
    assert (report, f"vfs:run/report@{exported.report.id.hex()}") in generated
    assert (f"{thumbs}:small/0000.png", f"vfs:run/thumbs@{exported.thumbs.id.hex()}") in generated


def test_hostile_names_come_back_byte_for_byte(exported: Exported) -> None:
    text = render(exported.up(), "prov")
    assert without_controls(text) == ""
    lead = f"vfs:images@{exported.images.id.hex()}:"
    document = parsed(text)
    names = {str(record.identifier) for record in document.get_records(ProvEntity)}
    back = {unquote_to_bytes(name.removeprefix(lead)) for name in names if name.startswith(lead)}
    assert back >= set(HOSTILE)
    assert document.get_provn().count("entity(") >= len(names)


def test_entities_carry_digests(exported: Exported) -> None:
    entities = json.loads(render(exported.up(), "prov"))["entity"]
    digest = exported.world.library.tree(exported.images).get(b"cat/0000.jpg").digest
    assert entities[f"vfs:images@{exported.images.id.hex()}:cat/0000.jpg"]["vfst:blake3"] == digest.hex()


def test_long_groups_are_cut_unless_all_is_wanted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vfs.journal.render.prov.MANY", 10)
    graph = Exported(world).up()
    some, every = (json.loads(render(graph, "prov", full=full))["entity"] for full in (False, True))
    files = [sum("vfst:blake3" in entity for entity in entities.values()) for entities in (some, every)]
    assert files[0] <= 4 * 10 + 2 and files[1] >= 2 * MADE
    group = next(entity for entity in some.values() if entity.get("vfst:files") == MADE + len(HOSTILE))
    assert (group["vfst:listedDirectories"], group["vfst:absentNames"]) == (1, 1)


def test_downwards_and_lost_commits_are_valid_too(exported: Exported) -> None:
    world = exported.world
    parsed(render(down(world.library, world.resolved(exported.first)), "prov"))
    world.damage(f"repos/images/commits/{exported.first.id.hex()}")
    graph = up(world.reopened().library, world.resolved(exported.report))
    assert parsed(render(graph, "prov")).unified()


@pytest.mark.parametrize("format", ["prov", "rocrate"])
def test_of_many_files_the_text_is_never_held_whole(format: str) -> None:
    count = 5_000
    files = tuple((b"d/%06d" % number, digest_of(b"%d" % number)) for number in range(count))
    root, given = CommitNode("commit:out:aa", "out", b"a" * 32), CommitNode("commit:in:bb", "in", b"b" * 32)
    group = FilesNode("files:out:aa:0", "in", b"b" * 32, files)
    graph = Graph("up", root.id, None, (root, given, group), (Edge(given.id, group.id, "holds", count),))
    tracemalloc.start()
    size = sum(len(piece) for piece in pieces(graph, format, full=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "".join(pieces(graph, format, full=True)) == render(graph, format, full=True)
    # Half a kilobyte a file; with an object for each, and the text beside them, it was 2,500 bytes.
    assert size > 250 * count and peak < 1_200 * count
