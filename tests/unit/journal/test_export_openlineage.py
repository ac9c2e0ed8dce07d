"""OpenLineage events, held against the classes that the project's own client generates from its published schema."""

from __future__ import annotations

import enum
import json
import sys
import types
import typing
import uuid
from typing import Any
from urllib.parse import unquote_to_bytes

import attr
import msgspec
import pytest
from export_world import HOSTILE, MADE, Exported, full_record
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import SECOND, T0, World, a_record
from journal_world import given as as_inputs
from openlineage.client import event_v2, facet_v2
from openlineage.client.generated import base

from vfs.journal.lineage import down, up
from vfs.journal.render.about import about_store
from vfs.journal.render.formats import render
from vfs.journal.render.locations import locations
from vfs.journal.render.uris import run_id

FACETS = {
    "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet,
    "parent": facet_v2.parent_run.ParentRunFacet,
    "environmentVariables": facet_v2.environment_variables_run.EnvironmentVariablesRunFacet,
    "errorMessage": facet_v2.error_message_run.ErrorMessageRunFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "sourceCodeLocation": facet_v2.source_code_location_job.SourceCodeLocationJobFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "inputStatistics": facet_v2.input_statistics_input_dataset.InputStatisticsInputDatasetFacet,
    "outputStatistics": facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet,
}
SUBSETS = {
    "inputFacets": facet_v2.base_subset_dataset.InputSubsetInputDatasetFacet,
    "outputFacets": facet_v2.base_subset_dataset.OutputSubsetOutputDatasetFacet,
}


def conforms(kind: Any, value: Any, where: str) -> None:
    """Fail unless `value` is what the class demands: no field missing, none unknown, each of its type and format."""
    kind = _chosen(kind, value)
    if attr.has(kind):
        _fields(kind, value, where)
    elif typing.get_origin(kind) is list:
        assert isinstance(value, list), where
        for item in value:
            conforms(typing.get_args(kind)[0], item, f"{where}[]")
    elif typing.get_origin(kind) is dict:
        assert isinstance(value, dict), where
        for key, item in value.items():
            conforms(facet_class(where, key), item, f"{where}.{key}")
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        kind(value)
    else:
        assert isinstance(value, kind) and (kind is bool or not isinstance(value, bool)), f"{where}: {value!r}"


def _chosen(kind: Any, value: Any) -> Any:
    """Of several classes the one that `type` names, or the one that is not None."""
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return kind
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    if len(options) == 1:
        return options[0]
    return next(option for option in options if attr.fields_dict(option)["type"].default == value["type"])


def facet_class(where: str, key: str) -> Any:
    if key == "vfs_run":
        # Ours: its name has our prefix, as the specification demands of facets of one's own.
        return dict[str, Any] if where.endswith("vfs_run") else base.RunFacet
    return SUBSETS[where.rpartition(".")[2]] if key == "subset" else FACETS[key]


def _fields(kind: Any, value: Any, where: str) -> None:
    assert isinstance(value, dict), where
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]) | vars(base))
    known = {field.name: field for field in attr.fields(kind)}
    own = kind is base.RunFacet
    assert own or set(value) <= set(known), f"{where}: {set(value) - set(known)}"
    missing = [name for name, field in known.items() if field.default is attr.NOTHING and name not in value]
    assert not missing, f"{where}: {missing}"
    if "_schemaURL" in known:
        assert value["_producer"].startswith("vfs:") and (own or value["_schemaURL"] == kind._get_schema()), where
    for name, item in value.items():
        if name in known:
            conforms(hints[name], item, f"{where}.{name}")
            if known[name].validator is not None:
                # The format of a field: uuid, date-time, uri.
                known[name].validator(types.SimpleNamespace(), known[name], item)


def events_of(graph: Any, store: str = "s3://user:secret@bucket/data?token=1") -> list[dict[str, Any]]:
    text = render(graph, "openlineage", about=about_store(store))
    found = [json.loads(line) for line in text.splitlines()]
    for event in found:
        conforms(event_v2.RunEvent, event, "event")
        assert event["schemaURL"] == event_v2.RunEvent._get_schema()
    return found


def of_job(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["job"]["name"] == name]


@pytest.fixture
def exported(world: World) -> Exported:
    return Exported(world)


def test_each_run_starts_and_completes_by_the_published_schema(exported: Exported) -> None:
    events = events_of(exported.up())
    assert len(events) == 8
    pairs = [(first, second) for first, second in zip(events[::2], events[1::2], strict=True)]
    for start, end in pairs:
        assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
        assert start["run"]["runId"] == end["run"]["runId"]
        assert start["eventTime"] <= end["eventTime"]
        assert start["outputs"] == [] and len(end["outputs"]) == 1
    assert {event["job"]["name"] for event in events} == {"images.put", "code.put", "thumbs.run", "report.run"}


def test_a_data_set_is_a_repo_with_locations_inside(exported: Exported) -> None:
    _, end = of_job(events_of(exported.up()), "thumbs.run")
    images, code = end["inputs"]
    assert (images["namespace"], images["name"]) == ("s3://bucket/data", "images")
    assert images["facets"]["version"]["datasetVersion"] == exported.images.id.hex()
    condition = images["inputFacets"]["subset"]["inputCondition"]
    # 87 files, and the directory that was listed.
    assert (condition["type"], len(condition["locations"])) == ("location", MADE + len(HOSTILE) + 1)
    lead = f"vfs:images@{exported.images.id.hex()}:"
    assert all(place.startswith(lead) and place.isascii() for place in condition["locations"])
    back = {unquote_to_bytes(place.removeprefix(lead)) for place in condition["locations"]}
    assert back >= set(HOSTILE) | {b"cat/", b"cat/0000.jpg"}
    assert images["inputFacets"]["inputStatistics"]["fileCount"] == MADE + len(HOSTILE)
    assert code["inputFacets"]["subset"]["inputCondition"]["locations"] == [
        f"vfs:code@{exported.code.id.hex()}:thumb.py"
    ]
    (made,) = end["outputs"]
    assert made["facets"]["version"]["datasetVersion"] == exported.thumbs.id.hex()
    assert len(made["outputFacets"]["subset"]["outputCondition"]["locations"]) == MADE


def test_what_one_run_made_another_read_is_one_data_set(exported: Exported) -> None:
    events = events_of(exported.up())
    made, read = of_job(events, "thumbs.run")[1]["outputs"][0], of_job(events, "report.run")[1]["inputs"][0]
    assert [made[key] for key in ("namespace", "name")] == [read[key] for key in ("namespace", "name")]
    assert made["facets"]["version"] == read["facets"]["version"]


def test_code_parent_and_environment_are_facets(exported: Exported) -> None:
    _, end = of_job(events_of(exported.up()), "thumbs.run")
    source = end["job"]["facets"]["sourceCodeLocation"]
    assert (source["type"], source["version"], source["branch"]) == ("git", "ab" * 20, "main")
    assert (source["url"], source["path"]) == ("file://host1/home/anna/work/thumb.py", "thumb.py")
    facets = end["run"]["facets"]
    assert facets["parent"]["run"]["runId"] == str(uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057"))
    assert facets["parent"]["job"] == {"namespace": "airflow", "name": "dag.task"}
    assert {"name": "LANG", "value": "C.UTF-8"} in facets["environmentVariables"]["environmentVariables"]
    own = facets["vfs_run"]
    assert (own["exitCode"], own["image"], own["codeChanged"]) == (0, "ghcr.io/anna/thumbs:1.2", True)


@pytest.mark.parametrize("said", ["", "no-slashes", "a/b/c", "a/b/01890a5d-ac96-774b-bcce-b302099a80zz"])
def test_a_parent_that_makes_no_sense_is_left_out(world: World, said: str) -> None:
    record = msgspec.structs.replace(a_record(), environment=(("OPENLINEAGE_PARENT_ID", said),))
    made = world.commit("out", {b"a": b"a"}, record=record)
    assert "parent" not in events_of(up(world.library, world.resolved(made)))[1]["run"]["facets"]


@pytest.mark.parametrize(("status", "said"), [(3, "exit status 3"), (-9, "killed by signal 9")])
def test_a_run_that_failed_says_so(world: World, status: int, said: str) -> None:
    made = world.commit("out", {b"a": b"a"}, record=msgspec.structs.replace(a_record(), exit_code=status))
    start, end = events_of(up(world.library, world.resolved(made)))
    assert "errorMessage" not in start["run"]["facets"]
    assert (end["eventType"], end["run"]["facets"]["errorMessage"]["message"]) == ("FAIL", said)


def test_reads_that_were_not_all_seen_make_the_whole_repo_an_input(world: World) -> None:
    source = world.commit("in", {b"a": b"a", b"b": b"b"})
    other = world.commit("other", {b"a": b"a"})
    inputs = as_inputs(source, other)
    for gaps, level in ((1, "open"), (0, "none")):
        record = a_record(inputs, world.read(source, b"a"), gaps=gaps, level=level)
        made = world.commit("out", {b"x": b"x"}, record=record, inputs=inputs)
        found = events_of(up(world.library, world.resolved(made)))[-1]["inputs"]
        assert [item["name"] for item in found] == ["in", "other"]
        assert not any("subset" in item["inputFacets"] for item in found)


def test_what_was_given_and_not_read_is_no_input(world: World) -> None:
    source, unread = world.commit("in", {b"a": b"a"}), world.commit("unread", {b"a": b"a"})
    inputs = as_inputs(source, unread)
    made = world.commit("out", {b"x": b"x"}, record=a_record(inputs, world.read(source, b"a")), inputs=inputs)
    assert [item["name"] for item in events_of(up(world.library, world.resolved(made)))[-1]["inputs"]] == ["in"]


def test_an_event_is_the_same_whatever_was_asked(exported: Exported) -> None:
    world = exported.world
    asked = [
        exported.up(),
        up(world.library, world.resolved(exported.thumbs, b"small/0003.png")),
        down(world.library, world.resolved(exported.images, HOSTILE[0])),
    ]
    first, *others = [of_job(events_of(graph), "thumbs.run") for graph in asked]
    assert len(first) == 2 and all(other == first for other in others)


def test_no_run_is_no_event(world: World) -> None:
    bare = world.commit("in", {b"a": b"a"})
    assert render(up(world.library, world.resolved(bare)), "openlineage") == ""


def test_jobs_are_in_the_namespace_that_the_user_names(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_NAMESPACE", "team-a")
    assert {event["job"]["namespace"] for event in events_of(exported.up())} == {"team-a"}


def test_a_store_is_named_without_secrets_and_with_its_whole_path() -> None:
    assert about_store("s3://user:secret@bucket/data?token=1#x").store == "s3://bucket/data"
    for store in ("/srv/a?b#c", "file:///srv/a?b#c"):
        assert about_store(store).store == "file:///srv/a%3Fb%23c"


def test_a_run_id_is_a_time_ordered_uuid_of_its_commit() -> None:
    first, same, later, other = (
        uuid.UUID(run_id(bytes([commit]) * 32, T0 + ms * SECOND // 1000))
        for commit, ms in ((7, 0), (7, 0), (7, 1), (8, 0))
    )
    assert first == same and len({first, later, other}) == 3
    assert (first.version, first.variant) == (7, uuid.RFC_4122)
    assert first < later and first.int >> 80 == T0 // 1_000_000


def test_many_files_are_few_locations() -> None:
    paths = {b"%d/%d/%d" % (a, b, c) for a in range(10) for b in range(20) for c in range(30)}
    assert locations(paths, limit=6000) == sorted(paths)
    assert locations(paths, limit=5999) == sorted({path.rpartition(b"/")[0] + b"/" for path in paths})
    assert locations(paths, limit=199) == sorted({path.partition(b"/")[0] + b"/" for path in paths})
    assert locations(paths, limit=9) == []


@given(
    st.sets(st.lists(st.sampled_from([b"a", b"b", b"ab"]), min_size=1, max_size=4).map(b"/".join)), st.integers(1, 9)
)
@settings(max_examples=200, deadline=None)
def test_locations_hold_every_path_and_keep_their_limit(paths: set[bytes], limit: int) -> None:
    found = locations(paths, limit=limit)
    assert len(found) <= limit
    if found:
        assert all(any(path == place or path.startswith(place) for place in found) for path in paths)


def test_a_record_of_everything_has_the_size_of_its_locations(world: World) -> None:
    source = world.commit("in", {b"d/%05d" % number: b"x" for number in range(3000)})
    reads = world.read(source, *(b"d/%05d" % number for number in range(3000)))
    inputs = as_inputs(source)
    made = world.commit("out", {b"x": b"x"}, record=full_record(a_record(inputs, reads)), inputs=inputs)
    (event,) = [item for item in events_of(up(world.library, world.resolved(made))) if item["outputs"]]
    places = event["inputs"][0]["inputFacets"]["subset"]["inputCondition"]["locations"]
    assert [place.rpartition(":")[2] for place in places] == ["cat/", "d/"]
    assert event["inputs"][0]["inputFacets"]["inputStatistics"]["fileCount"] == 3000


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: event["run"].pop("runId"),
        lambda event: event["run"].update(runId="7"),
        lambda event: event.update(eventTime="yesterday"),
        lambda event: event["job"]["facets"]["jobType"].pop("integration"),
        lambda event: event["job"]["facets"]["jobType"].update(_schemaURL="vfs:other"),
        lambda event: event["outputs"][0]["outputFacets"]["subset"]["outputCondition"].pop("locations"),
        lambda event: event["outputs"][0].update(path="x"),
        lambda event: event["outputs"][0]["outputFacets"]["outputStatistics"].update(fileCount="many"),
    ],
)
def test_an_event_against_the_schema_is_noticed(exported: Exported, spoil: Any) -> None:
    event = events_of(exported.up())[-1]
    spoil(event)
    with pytest.raises((AssertionError, ValueError)):
        conforms(event_v2.RunEvent, event, "event")
