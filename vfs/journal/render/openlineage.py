"""A lineage graph as OpenLineage 2 run events: a START and a COMPLETE (or FAIL) for each run, one JSON object a line.

A data set is a repo; which of its files a run read or wrote is in the subset facets, and its version is the commit.
An event says what the run did, all of it, whatever part of it was asked about, so that it is the same each time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from vfs import __version__
from vfs.journal.graph import Graph, RunNode
from vfs.journal.render import words
from vfs.journal.render.about import About
from vfs.journal.render.facts import Facts, code_of, ended, observed, outputs
from vfs.journal.render.locations import locations
from vfs.journal.render.uris import SCHEME, commit_uri, file_uri, instant, run_id
from vfs.model.ids import Digest
from vfs.model.names import printable
from vfs.model.record import Code, Read, RunRecord

Json = dict[str, Any]
_SPEC = "https://openlineage.io/spec"
_EVENT = f"{_SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_PRODUCER = f"{SCHEME}producer/{__version__}"
# The name of a parent run as orchestrators hand it down: namespace, job, run.
PARENT_VARIABLE = "OPENLINEAGE_PARENT_ID"
_PARENT = re.compile(r"([^/]+)/(.+)/([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")


def render_openlineage(graph: Graph, *, about: About) -> str:
    """The events of all runs of the graph, one JSON object a line, oldest run first; "" when there is no run."""
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events(graph, about))


def events(graph: Graph, about: About) -> Iterator[Json]:
    """The events, in the order in which they have to be sent."""
    facts = Facts(graph)
    for run in facts.runs():
        made = facts.made(run)
        if made:
            yield from _events(run, made[0].repo, made[0].commit, ended(run, made), about)


def _events(run: RunNode, repo: str, commit: Digest, end_ns: int, about: About) -> Iterator[Json]:
    job = {"namespace": about.namespace, "name": f"{repo}.{words.plain(run.kind)}", "facets": _job_facets(run)}
    run_facets = _run_facets(run, repo, commit)
    id = run_id(commit, run.started_ns)
    base = {"producer": _PRODUCER, "schemaURL": _EVENT, "job": job}
    inputs = _inputs(run, about)
    begin = {"eventType": "START", "eventTime": instant(run.started_ns), "run": {"runId": id, "facets": run_facets}}
    yield {**begin, **base, "inputs": inputs, "outputs": []}
    failed = _failure(run)
    end = {"eventType": "FAIL" if failed else "COMPLETE", "eventTime": instant(end_ns)}
    finished = {"runId": id, "facets": {**run_facets, **failed}}
    yield {**end, "run": finished, **base, "inputs": inputs, "outputs": [_output(run, repo, commit, about)]}


def _facet(name: str, version: str, /, *, place: str = "", **values: Any) -> Json:
    """A facet of the specification, by the name of its definition; `place`: the file, where it is named otherwise."""
    schema = f"{_SPEC}/facets/{version}/{place or name}.json#/$defs/{name}"
    return {"_producer": _PRODUCER, "_schemaURL": schema, **{key: value for key, value in values.items() if value}}


def _job_facets(run: RunNode) -> Json:
    kind = _facet(
        "JobTypeJobFacet", "2-0-4", processingType="BATCH", integration="VFS", jobType=words.plain(run.kind).upper()
    )
    codes = code_of(run.record)
    return {"jobType": kind, **({"sourceCodeLocation": _source(run, codes[0])} if codes else {})}


def _source(run: RunNode, code: Code) -> Json:
    inside = code.path.removeprefix(code.root).lstrip(b"/") if code.path.startswith(code.root) else code.path
    return _facet(
        "SourceCodeLocationJobFacet",
        "1-1-0",
        type="git",
        url=f"file://{quote(run.host, errors='surrogateescape')}{quote(code.path)}",
        path=printable(inside),
        version=words.plain(code.commit),
        branch=words.plain(code.branch),
    )


def _run_facets(run: RunNode, repo: str, commit: Digest) -> Json:
    engine = _facet(
        "ProcessingEngineRunFacet",
        "1-1-1",
        name="vfs",
        version=words.plain(run.version) or "unknown",
        openlineageAdapterVersion=__version__,
    )
    parent = _parent(run.record)
    environment = _environment(run.record)
    return {
        "processing_engine": engine,
        **({"parent": parent} if parent else {}),
        **({"environmentVariables": environment} if environment else {}),
        "vfs_run": _own_facet(run, repo, commit),
    }


def _own_facet(run: RunNode, repo: str, commit: Digest) -> Json:
    """What the specification has no facet for."""
    return {
        "_producer": _PRODUCER,
        "_schemaURL": f"{SCHEME}facets/1/VfsRunFacet",
        "commit": commit_uri(repo, commit),
        "kind": words.plain(run.kind),
        "command": [printable(word) for word in run.command],
        "workingDirectory": printable(run.cwd),
        "exitCode": run.exit_code,
        "user": words.plain(run.user),
        "host": words.plain(run.host),
        "observation": words.plain(run.level),
        "gaps": run.gaps,
        "image": words.plain(run.record.image) if run.record else "",
        "codeChanged": any(code.dirty for code in code_of(run.record)),
    }


def _parent(record: RunRecord | None) -> Json | None:
    """The run of an orchestrator that this one was part of, where its environment named one."""
    named = dict(record.environment).get(PARENT_VARIABLE, "") if record else ""
    match = _PARENT.fullmatch(named)
    if match is None:
        return None
    job = {"namespace": words.plain(match[1]), "name": words.plain(match[2])}
    return _facet("ParentRunFacet", "1-2-0", run={"runId": match[3].lower()}, job=job)


def _environment(record: RunRecord | None) -> Json | None:
    if record is None or not record.environment:
        return None
    variables = [{"name": words.plain(name), "value": words.plain(value)} for name, value in record.environment]
    return _facet("EnvironmentVariablesRunFacet", "1-0-0", environmentVariables=variables)


def _failure(run: RunNode) -> Json:
    if not run.exit_code:
        return {}
    message = f"killed by signal {-run.exit_code}" if run.exit_code < 0 else f"exit status {run.exit_code}"
    return {"errorMessage": _facet("ErrorMessageRunFacet", "1-0-1", message=message, programmingLanguage="unknown")}


def _inputs(run: RunNode, about: About) -> list[Json]:
    """A data set for each input commit of which something was read, or may have been."""
    if run.record is None:
        return []
    read = _by_input(run.record.reads)
    # A listing depends on every name of the directory: the directory is a location.
    listed = {place: {path + b"/" for path in paths} for place, paths in _by_input(run.record.listed).items()}
    found = []
    for place, item in enumerate(run.record.inputs):
        files, directories = read.get(place, set()), listed.get(place, set())
        if files or directories or not observed(run):
            facets = _subset("Input", item.repo, item.commit, files | directories) if observed(run) else {}
            facets |= _counted("InputStatisticsInputDatasetFacet", "1-0-0", "inputStatistics", len(files))
            found.append({**_data_set(item.repo, item.commit, about), "inputFacets": facets})
    return found


def _by_input(reads: Iterable[Read]) -> dict[int, set[bytes]]:
    found: dict[int, set[bytes]] = {}
    for read in reads:
        found.setdefault(read.input, set()).add(read.path)
    return found


def _output(run: RunNode, repo: str, commit: Digest, about: About) -> Json:
    made = outputs(run)
    facets = _subset("Output", repo, commit, {path for path, _ in made})
    files = sum(bool(digest) for _, digest in made)
    facets |= _counted("OutputStatisticsOutputDatasetFacet", "1-0-2", "outputStatistics", files)
    return {**_data_set(repo, commit, about), "outputFacets": facets}


def _counted(name: str, version: str, key: str, files: int) -> Json:
    """The facet that counts files; none for no file, of which it may just not be known."""
    return {key: _facet(name, version, fileCount=files)} if files else {}


def _data_set(repo: str, commit: Digest, about: About) -> Json:
    version = _facet("DatasetVersionDatasetFacet", "1-0-1", datasetVersion=commit.hex())
    return {"namespace": about.store or about.namespace, "name": repo, "facets": {"version": version}}


def _subset(side: str, repo: str, commit: Digest, paths: set[bytes]) -> Json:
    """The subset facet of one side; none where the whole data set is meant, and where nothing is known of paths."""
    places = [] if paths & {b"", b"/"} else locations(paths)
    if not places:
        return {}
    condition = {"type": "location", "locations": [file_uri(repo, commit, place) for place in places]}
    values = {f"{side.lower()}Condition": condition}
    return {"subset": _facet(f"{side}Subset{side}DatasetFacet", "1-0-0", place="BaseSubsetDatasetFacet", **values)}
