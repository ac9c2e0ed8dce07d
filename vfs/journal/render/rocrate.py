"""A lineage graph as RO-Crate 1.1 metadata by the Process Run Crate profile: a CreateAction for each run.

The crate describes and does not hold the data: files and commits are named by their `vfs:` URI and their BLAKE3.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from vfs import __version__
from vfs.journal.graph import CommitNode, FilesNode, Graph, RunNode
from vfs.journal.render import words
from vfs.journal.render.facts import MANY, Facts, code_of, ended, observed, outputs, program, program_name
from vfs.journal.render.uris import commit_uri, file_uri, instant, run_id, thing_uri
from vfs.model.ids import Digest
from vfs.model.names import printable

Json = dict[str, Any]
METADATA = "ro-crate-metadata.json"
PREVIEW = "ro-crate-preview.html"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_CRATE = "https://w3id.org/ro/crate/1.1"
_CONTEXT = [f"{_CRATE}/context", "https://w3id.org/ro/terms/workflow-run/context"]
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_LICENSE = "#license-not-stated"


# A path and its digest: of a million files these are in the graph already, and become an entity when they are written.
_File: TypeAlias = tuple[bytes, Digest]


def rocrate_pieces(graph: Graph, *, full: bool = False) -> Iterator[str]:
    """The metadata file, piece by piece; the first 1,000 files of each group are named, or all when `full`."""
    yield f'{{\n "@context": {_dumped(_CONTEXT)},\n "@graph": ['
    lead = ""
    for entity in _Crate(graph, None if full else MANY).made():
        named = (f"{_dumped(key)}: {_value(value)}" for key, value in entity.items())
        yield f"{lead}\n  {{{', '.join(named)}}}"
        lead = ","
    yield "\n ]\n}\n"


class _Refs(tuple[str, ...]):
    """Ids that an entity refers to, written as references; one alone without a list."""

    __slots__ = ()


def _value(value: object) -> str:
    if not isinstance(value, _Refs):
        return _dumped(value)
    named = ", ".join(f'{{"@id": {_dumped(id)}}}' for id in value)
    return named if len(value) == 1 else f"[{named}]"


def _dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


class _Crate:
    """The entities of the crate while it is made, each once."""

    def __init__(self, graph: Graph, limit: int | None) -> None:
        self._graph = graph
        self._facts = Facts(graph)
        self._limit = limit
        self._entities: dict[str, Json | _File] = {}
        self._parts: list[str] = []
        # The files of each commit, each once.
        self._held: dict[str, dict[str, None]] = {}

    def made(self) -> Iterator[Json]:
        """All entities, the description of the crate first."""
        for commit in self._facts.commits():
            self._commit(commit)
        for group in self._facts.groups():
            self._add_files(group.repo, group.commit, group.files)
        actions = [self._action(run) for run in self._facts.runs() if self._facts.made(run)]
        profile = {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
        license = {"@id": _LICENSE, "@type": "CreativeWork", "name": "not stated", "description": _UNSTATED}
        yield from (_descriptor(), self._root(actions), profile, license)
        for id, entity in self._entities.items():
            if isinstance(entity, tuple):
                yield _file_entity(id, *entity)
            else:
                held = self._held.get(id)
                yield {**entity, "hasPart": _Refs(held)} if held else entity

    def _root(self, actions: list[str]) -> Json:
        root = self._facts.root()
        maker = self._facts.maker(root) if root else None
        title = words.commit_title(root.repo, root.commit) if root else "lineage"
        asked = f", {printable(self._graph.path)}" if self._graph.path is not None else ""
        question = "what was made from" if self._graph.direction == "down" else "what made"
        return {
            "@id": "./",
            "@type": "Dataset",
            "name": f"{title}{asked}",
            "description": f"Runs recorded by the versioned file system vfs: {question} {title}{asked}.",
            "datePublished": instant(root.time_ns if root else 0, digits=3, zone="+00:00"),
            "license": {"@id": _LICENSE},
            **({"author": {"@id": self._person(maker)}} if maker else {}),
            "conformsTo": {"@id": _PROFILE},
            "hasPart": _refs(self._parts),
            "mentions": _refs(actions),
            **({"mainEntity": {"@id": _commit_id(root)}} if root else {}),
        }

    def _state(self, id: str, type: str | list[str], **values: object) -> str:
        kept = {key: value for key, value in values.items() if value not in ("", None, ())}
        self._entities.setdefault(id, {"@id": id, "@type": type, **kept})
        return id

    def _commit(self, node: CommitNode) -> None:
        id = self._state(
            _commit_id(node),
            "Dataset",
            name=words.commit_title(node.repo, node.commit),
            description=words.plain(node.message) or words.plain(node.problem),
            identifier=f"blake3:{node.commit.hex()}",
            version=node.commit.hex(),
            dateCreated=instant(node.time_ns, digits=3, zone="+00:00") if node.time_ns else "",
        )
        self._held.setdefault(id, {})
        self._parts.append(id)

    def _add_files(self, repo: str, commit: Digest, files: tuple[_File, ...]) -> list[str]:
        """The files by their ids; they become parts of their commit, if it is in the crate."""
        ids = []
        for file in files[: self._limit]:
            id = file_uri(repo, commit, file[0])
            self._entities.setdefault(id, file)
            ids.append(id)
        held = self._held.get(_directory(repo, commit))
        if held is None:
            self._parts.extend(ids)
        else:
            held.update(dict.fromkeys(ids))
        return ids

    def _action(self, run: RunNode) -> str:
        made = self._facts.made(run)
        used = [id for group in self._facts.read(run) for id in self._used(group)]
        used += [] if observed(run) else [_commit_id(node) for node in self._facts.given(run)]
        used += [self._code(run)] if code_of(run.record) else []
        return self._state(
            f"#run-{run_id(made[0].commit, run.started_ns)}",
            "CreateAction",
            name=f"{words.plain(run.kind)} that made {words.commit_title(made[0].repo, made[0].commit)}",
            description=words.cut(words.command_line(run.command), 4000) or words.plain(run.kind),
            startTime=instant(run.started_ns, digits=3, zone="+00:00"),
            endTime=instant(ended(run, made), digits=3, zone="+00:00"),
            agent={"@id": self._person(run)},
            instrument={"@id": self._instrument(run)},
            object=_refs(used),
            result=_refs(self._results(run, made)),
            environment=_refs(self._environment(run)),
            containerImage={"@id": self._image(run)} if run.record and run.record.image else None,
            **_outcome(run),
        )

    def _used(self, group: FilesNode) -> list[str]:
        shown = self._add_files(group.repo, group.commit, group.files)
        # The commit stands for those that are not named.
        more = self._limit is not None and len(group.files) > self._limit
        return [*shown, _directory(group.repo, group.commit)] if more or not shown else shown

    def _results(self, run: RunNode, made: list[CommitNode]) -> list[str]:
        written = tuple(item for item in outputs(run) if item[1])
        files = [id for node in made for id in self._add_files(node.repo, node.commit, written)]
        return [*(_commit_id(node) for node in made), *files]

    def _person(self, run: RunNode) -> str:
        name = words.plain(f"{run.user}@{run.host}")
        return self._state("#" + thing_uri("user", f"{run.user}@{run.host}")[4:], "Person", name=name)

    def _instrument(self, run: RunNode) -> str:
        found = program(run)
        if run.kind != "run" or found is None:
            name, version = (program_name(run), "not known") if run.kind == "run" else ("vfs", words.plain(run.version))
            id = "#" + thing_uri("software", name, version)[4:]
            return self._state(id, "SoftwareApplication", name=name, softwareVersion=version)
        digest = found.exe_digest.hex()
        return self._state(
            "#" + thing_uri("software", program_name(run), digest[:12])[4:],
            "SoftwareApplication",
            name=program_name(run),
            softwareVersion=f"blake3:{digest}" if digest else "not known",
            description=f"{printable(found.exe)}, run under vfs {words.plain(run.version)}",
        )

    def _code(self, run: RunNode) -> str:
        code = code_of(run.record)[0]
        changed = " with changes that were not committed" if code.dirty else ""
        return self._state(
            "#" + thing_uri("code", printable(code.path), code.commit)[4:],
            ["CreativeWork", "SoftwareSourceCode"],
            name=printable(code.path),
            version=words.plain(code.commit) + ("+changed" if code.dirty else ""),
            description=f"git work tree {printable(code.root)} at {words.plain(code.commit)}{changed}",
            programmingLanguage="not known",
        )

    def _environment(self, run: RunNode) -> list[str]:
        variables = run.record.environment if run.record else ()
        return [
            self._state(
                "#" + thing_uri("environment", name, value)[4:],
                "PropertyValue",
                name=words.plain(name),
                value=words.plain(value) or " ",
            )
            for name, value in variables
        ]

    def _image(self, run: RunNode) -> str:
        image = words.plain(run.record.image) if run.record else ""
        host, slash, _ = image.partition("/")
        registry = host if slash and ("." in host or ":" in host) else "docker.io"
        return self._state(
            "#" + thing_uri("image", image)[4:],
            "ContainerImage",
            name=image,
            registry=registry,
            additionalType={"@id": f"{_TERMS}DockerImage"},
        )


_TYPES = mimetypes.MimeTypes()
_UNSTATED = "Nothing is recorded of the licence of this data; ask those who made it."


def _descriptor() -> Json:
    return {
        "@id": METADATA,
        "@type": "CreativeWork",
        "conformsTo": {"@id": _CRATE},
        "about": {"@id": "./"},
        "description": f"written by vfs {__version__}",
    }


def _commit_id(node: CommitNode) -> str:
    return _directory(node.repo, node.commit)


def _directory(repo: str, commit: Digest) -> str:
    """A commit as a directory, which has a slash at its end in a crate."""
    return f"{commit_uri(repo, commit)}/"


def _media_type(path: bytes) -> str:
    """By the ending of a name, as far as Python knows it; what the machine knows besides would differ from others."""
    return _TYPES.guess_type(printable(path.rpartition(b"/")[2]))[0] or "application/octet-stream"


def _file_entity(id: str, path: bytes, digest: Digest) -> Json:
    made = {"@id": id, "@type": "File", "name": printable(path), "encodingFormat": _media_type(path)}
    return {**made, "identifier": f"blake3:{digest.hex()}"} if digest else made


def _outcome(run: RunNode) -> Json:
    if not run.exit_code:
        return {"actionStatus": "http://schema.org/CompletedActionStatus"}
    return {"actionStatus": "http://schema.org/FailedActionStatus", "error": f"exit status {run.exit_code}"}


def _refs(found: Iterable[str]) -> _Refs:
    return _Refs(dict.fromkeys(found))
