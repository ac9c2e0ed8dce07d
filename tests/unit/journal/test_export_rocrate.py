"""RO-Crates, opened by the `rocrate` package and held against the rules of the Process Run Crate profile.

The profile's own validator fetches the contexts it needs, so it cannot be part of the checks.
"""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import pytest
from export_world import HOSTILE, MADE, Exported, without_controls
from journal_world import World, a_record
from rocrate.rocrate import ROCrate

from vfs.errors import LocalDenied, LocalIOError
from vfs.journal.graph import Graph
from vfs.journal.lineage import down, up
from vfs.journal.render.about import About
from vfs.journal.render.crate import crate_files, write_crate
from vfs.journal.render.formats import render

Entity = dict[str, Any]
# Types that the profile allows for what an action used and made.
DATA = {"File", "Dataset", "Collection", "CreativeWork", "PropertyValue"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00")


@pytest.fixture
def exported(world: World) -> Exported:
    return Exported(world)


def entities_of(graph: Graph) -> dict[str, Entity]:
    found = json.loads(render(graph, "rocrate"))
    assert found["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    by_id = {entity["@id"]: entity for entity in found["@graph"]}
    assert len(by_id) == len(found["@graph"])
    return by_id


def refs(entity: Entity, key: str) -> list[str]:
    value = entity.get(key, [])
    return [item["@id"] for item in (value if isinstance(value, list) else [value])]


def kinds(entity: Entity) -> set[str]:
    return set(entity["@type"]) if isinstance(entity["@type"], list) else {entity["@type"]}


def check_profile(by_id: dict[str, Entity]) -> None:
    """The MUST and SHOULD rules of RO-Crate 1.1 and Process Run Crate 0.5 that apply to what we write."""
    descriptor, root = by_id["ro-crate-metadata.json"], by_id["./"]
    assert refs(descriptor, "conformsTo") == ["https://w3id.org/ro/crate/1.1"]
    assert refs(descriptor, "about") == ["./"]
    assert refs(root, "conformsTo")[0].startswith("https://w3id.org/ro/wfrun/process/")
    assert kinds(by_id[refs(root, "conformsTo")[0]]) == {"CreativeWork"}
    assert all(root[key] for key in ("name", "description", "datePublished", "license"))
    for entity in by_id.values():
        for key in entity:
            for ref in refs(entity, key) if isinstance(entity[key], (dict, list)) and key != "@type" else []:
                assert ref in by_id or ref.startswith("https://w3id.org/"), f"{entity['@id']}: {key}: {ref}"
    reached = {part for name in [*refs(root, "hasPart"), "./"] for part in refs(by_id[name], "hasPart")}
    data = {name for name, entity in by_id.items() if kinds(entity) & {"File", "Dataset"}} - {"./"}
    assert data <= reached
    actions = {name for name, entity in by_id.items() if kinds(entity) == {"CreateAction"}}
    assert set(refs(root, "mentions")) == actions
    for name in actions:
        check_action(by_id, by_id[name])


def check_action(by_id: dict[str, Entity], action: Entity) -> None:
    (instrument,), (agent,) = refs(action, "instrument"), refs(action, "agent")
    assert kinds(by_id[instrument]) == {"SoftwareApplication"}
    assert by_id[instrument]["name"] and by_id[instrument]["softwareVersion"]
    assert kinds(by_id[agent]) == {"Person"}
    assert action["name"] and action["description"] and refs(action, "result")
    assert TIME.fullmatch(action["startTime"]) and TIME.fullmatch(action["endTime"])
    for ref in [*refs(action, "object"), *refs(action, "result")]:
        assert kinds(by_id[ref]) & DATA
    for ref in refs(action, "environment"):
        assert kinds(by_id[ref]) == {"PropertyValue"}
    failed = action["actionStatus"] == "http://schema.org/FailedActionStatus"
    assert failed or action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert ("error" in action) == failed


def test_a_crate_keeps_the_profile(exported: Exported) -> None:
    by_id = entities_of(exported.up())
    check_profile(by_id)
    assert sum(kinds(entity) == {"CreateAction"} for entity in by_id.values()) == 4
    assert refs(by_id["./"], "mainEntity") == [f"vfs:report@{exported.report.id.hex()}/"]
    image = next(entity for entity in by_id.values() if kinds(entity) == {"ContainerImage"})
    assert (image["name"], image["registry"]) == ("ghcr.io/anna/thumbs:1.2", "ghcr.io")


def test_files_have_digests_and_types_and_exact_names(exported: Exported) -> None:
    text = render(exported.up(), "rocrate")
    assert without_controls(text) == ""
    by_id = entities_of(exported.up())
    lead = f"vfs:images@{exported.images.id.hex()}:"
    files = {unquote_to_bytes(name.removeprefix(lead)): by_id[name] for name in by_id if name.startswith(lead)}
    assert set(HOSTILE) <= set(files)
    digest = exported.world.library.tree(exported.images).get(b"cat/0000.jpg").digest
    assert files[b"cat/0000.jpg"]["identifier"] == f"blake3:{digest.hex()}"
    assert files[b"cat/0000.jpg"]["encodingFormat"] == "image/jpeg"


def test_an_action_names_what_it_used_and_made(exported: Exported) -> None:
    by_id = entities_of(exported.up())
    (action,) = [
        item for item in by_id.values() if item.get("name") == f"run that made thumbs@{exported.thumbs.id.hex()[:12]}"
    ]
    assert len(refs(action, "object")) == MADE + len(HOSTILE) + 1 + 1
    assert len(refs(action, "result")) == 1 + MADE
    code = next(by_id[ref] for ref in refs(action, "object") if "SoftwareSourceCode" in kinds(by_id[ref]))
    assert code["version"] == "ab" * 20 + "+changed"


def test_a_failed_run_and_long_lists_keep_the_profile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vfs.journal.render.rocrate.MANY", 10)
    exported = Exported(world)
    record = msgspec.structs.replace(a_record(), exit_code=3)
    failed = world.commit("out", {b"a": b"a"}, record=record)
    for graph in (
        exported.up(),
        up(world.library, world.resolved(failed)),
        down(world.library, world.resolved(exported.images)),
        up(world.library, world.resolved(exported.thumbs, b"small")),
    ):
        check_profile(entities_of(graph))


def test_the_package_opens_directory_and_archive(exported: Exported, tmp_path: Path) -> None:
    files = crate_files(exported.up(), About(), full=True)
    for name in ("crate", "crate.zip"):
        write_crate(tmp_path / name, files, mode=0o644)
        crate = ROCrate(tmp_path / name)
        assert crate.mainEntity["identifier"] == f"blake3:{exported.report.id.hex()}"
        actions = [entity for entity in crate.get_entities() if entity.type == "CreateAction"]
        assert len(actions) == 4 and all(action["instrument"]["softwareVersion"] for action in actions)
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == ["ro-crate-metadata.json", "ro-crate-preview.html"]
    again = tmp_path / "again.zip"
    write_crate(again, files, mode=0o644)
    assert again.read_bytes() == (tmp_path / "crate.zip").read_bytes()


def test_a_crate_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((LocalIOError, LocalDenied), match="cannot be"):
        write_crate(tmp_path / "file" / "crate", {"a": b""}, mode=0o644)
    with pytest.raises(LocalIOError, match="cannot be written"):
        write_crate(tmp_path / "no" / "crate.zip", {"a": b""}, mode=0o644)
