"""A lineage graph as W3C PROV-JSON: commits and files are entities, runs activities, users and programs agents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

from vfs.journal.graph import CommitNode, FilesNode, Graph, RunNode
from vfs.journal.render import words
from vfs.journal.render.facts import MANY, Facts, code_of, ended, observed, outputs, program, program_name
from vfs.journal.render.uris import SCHEME, commit_uri, file_uri, instant, thing_uri
from vfs.model.ids import Digest
from vfs.model.names import printable
from vfs.model.record import Code

Json = dict[str, Any]
# A path and its digest: of a million files these are in the graph already, and become values when they are written.
_File: TypeAlias = tuple[bytes, Digest]
_TERMS = f"{SCHEME}terms/"


def prov_pieces(graph: Graph, *, full: bool = False) -> Iterator[str]:
    """One PROV-JSON document, piece by piece; the first 1,000 files of each group are named, or all when `full`."""
    start = "{"
    for kind, held in _Document(graph, None if full else MANY).made().items():
        yield f"{start}\n {_dumped(kind)}: {{"
        lead = ""
        for id, values in held.items():
            yield f"{lead}\n  {_dumped(id)}: {_dumped(values if isinstance(values, dict | str) else _file(*values))}"
            lead = ","
        yield "\n }"
        start = ","
    yield "\n}\n"


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _file(path: bytes, digest: Digest) -> Json:
    values = {"prov:type": _name("vfst:File"), "prov:label": printable(path)}
    return {**values, "vfst:blake3": digest.hex()} if digest else values


class _Document:
    """The document while it is made. Relations are numbered in the order they are stated."""

    def __init__(self, graph: Graph, limit: int | None) -> None:
        self._facts = Facts(graph)
        self._limit = limit
        self._parts: dict[str, dict[str, Json | _File | str]] = {"prefix": {"vfs": SCHEME, "vfst": _TERMS}}
        self._count = 0

    def made(self) -> dict[str, dict[str, Json | _File | str]]:
        """The whole document."""
        for commit in self._facts.commits():
            self._commit(commit)
        for group in self._facts.groups():
            self._group(group)
        for run in self._facts.runs():
            self._run(run)
        for source, target, files in self._facts.carried():
            self._relate(
                "wasDerivedFrom",
                generatedEntity=_commit_id(target),
                usedEntity=_commit_id(source),
                more={"prov:type": _name("prov:Revision"), "vfst:files": files},
            )
        return self._parts

    def _state(self, kind: str, id: str, values: Json) -> str:
        self._parts.setdefault(kind, {}).setdefault(id, {key: value for key, value in values.items() if value != ""})
        return id

    def _relate(self, kind: str, *, more: Json | None = None, **ends: object) -> None:
        self._count += 1
        stated = {f"prov:{key}": value for key, value in ends.items()}
        self._parts.setdefault(kind, {})[f"_:r{self._count}"] = {**stated, **(more or {})}

    def _commit(self, node: CommitNode) -> None:
        values: Json = {
            "prov:type": _name("prov:Collection"),
            "prov:label": words.commit_title(node.repo, node.commit),
            "vfst:repo": words.plain(node.repo),
            "vfst:commit": node.commit.hex(),
            "vfst:message": words.plain(node.message),
            "vfst:author": words.plain(node.author),
            "vfst:problem": words.plain(node.problem),
        }
        if node.time_ns:
            values |= {"vfst:committed": _time(node.time_ns), "vfst:entries": node.entries, "vfst:size": node.size}
        self._state("entity", _commit_id(node), values)
        for source in self._facts.given(node):
            self._relate("wasDerivedFrom", generatedEntity=_commit_id(node), usedEntity=_commit_id(source))

    def _group(self, node: FilesNode) -> None:
        id = self._state(
            "entity",
            _group_id(node),
            {
                "prov:type": _name("prov:Collection"),
                "prov:label": f"{words.files_title(node)}, of {words.commit_title(node.repo, node.commit)}",
                "vfst:files": len(node.files),
                "vfst:listedDirectories": len(node.listed),
                "vfst:absentNames": len(node.absent),
            },
        )
        members = self._files(node.repo, node.commit, node.files)
        if members:
            self._relate("hadMember", collection=id, entity=members)
        holder = commit_uri(node.repo, node.commit)
        self._relate("hadMember", collection=holder, entity=[id])

    def _files(self, repo: str, commit: Digest, files: tuple[_File, ...]) -> list[str]:
        entities = self._parts.setdefault("entity", {})
        ids = []
        for file in files[: self._limit]:
            id = file_uri(repo, commit, file[0])
            entities.setdefault(id, file)
            ids.append(id)
        return ids

    def _run(self, run: RunNode) -> None:
        made = self._facts.made(run)
        id = self._activity(run, made)
        self._agents(run, id)
        sources = [_group_id(group) for group in self._facts.read(run)]
        # A commit of which nothing was read, though all reads were seen, is no part of what was made.
        sources += [] if observed(run) else [_commit_id(node) for node in self._facts.given(run)]
        for source in sources:
            self._relate("used", activity=id, entity=source)
        for code in code_of(run.record):
            self._relate("used", activity=id, entity=self._code(code), more={"prov:role": "code"})
        for commit in made:
            self._made(run, id, commit, sources)

    def _made(self, run: RunNode, id: str, commit: CommitNode, sources: list[str]) -> None:
        target = _commit_id(commit)
        self._relate("wasGeneratedBy", entity=target, activity=id, time=instant(commit.time_ns or ended(run, [])))
        for source in sources:
            self._relate("wasDerivedFrom", generatedEntity=target, usedEntity=source, activity=id)
        written = tuple(item for item in outputs(run) if item[1])
        files = self._files(commit.repo, commit.commit, written)
        for file in files:
            self._relate("wasGeneratedBy", entity=file, activity=id)
        if files:
            self._relate("hadMember", collection=target, entity=files)

    def _activity(self, run: RunNode, made: list[CommitNode]) -> str:
        return self._state(
            "activity",
            SCHEME + "run/" + run.id.removeprefix("run:").replace(":", "@"),
            {
                "prov:startTime": instant(run.started_ns),
                "prov:endTime": instant(ended(run, made)),
                "prov:type": _name("vfst:Run"),
                "prov:label": words.cut(words.command_line(run.command) or words.plain(run.kind), 400),
                "vfst:kind": words.plain(run.kind),
                "vfst:workingDirectory": printable(run.cwd),
                "vfst:exitStatus": run.exit_code,
                "vfst:host": words.plain(run.host),
                "vfst:observation": words.plain(run.level),
                "vfst:gaps": run.gaps,
                "vfst:image": words.plain(run.record.image) if run.record else "",
            },
        )

    def _agents(self, run: RunNode, id: str) -> None:
        person = self._state(
            "agent",
            thing_uri("user", f"{run.user}@{run.host}"),
            {"prov:type": _name("prov:Person"), "prov:label": words.plain(f"{run.user}@{run.host}")},
        )
        tool = self._software("vfs", words.plain(run.version), "")
        found = program(run)
        digest = found.exe_digest.hex() if found else ""
        doer = self._software(program_name(run), digest[:12], digest) if run.kind == "run" else tool
        self._relate("wasAssociatedWith", activity=id, agent=person)
        for agent in dict.fromkeys((doer, tool)):
            self._relate("wasAssociatedWith", activity=id, agent=agent)
            self._relate("actedOnBehalfOf", delegate=agent, responsible=person, activity=id)

    def _software(self, name: str, version: str, digest: str) -> str:
        return self._state(
            "agent",
            thing_uri("software", name, version) if version else thing_uri("software", name),
            {
                "prov:type": _name("prov:SoftwareAgent"),
                "prov:label": name,
                "vfst:version": "" if digest else version,
                "vfst:blake3": digest,
            },
        )

    def _code(self, code: Code) -> str:
        return self._state(
            "entity",
            thing_uri("code", printable(code.path), f"{words.plain(code.commit)}{'+changed' if code.dirty else ''}"),
            {
                "prov:type": _name("vfst:Code"),
                "prov:label": printable(code.path),
                "vfst:gitCommit": words.plain(code.commit),
                "vfst:changed": code.dirty,
                "vfst:blake3": code.digest.hex(),
            },
        )


def _commit_id(node: CommitNode) -> str:
    return commit_uri(node.repo, node.commit)


def _group_id(node: FilesNode) -> str:
    """`files:REPO:COMMIT:PLACE` of the run, as a name of the scheme."""
    repo, _, rest = node.id.removeprefix("files:").partition(":")
    return thing_uri("read", f"{repo}@{rest.replace(':', '.')}")


def _name(text: str) -> Json:
    return {"$": text, "type": "xsd:QName"}


def _time(time_ns: int) -> Json:
    return {"$": instant(time_ns), "type": "xsd:dateTime"}
