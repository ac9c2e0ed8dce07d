"""Random histories: what lineage finds is what a plain look at every record finds, up and down."""

from __future__ import annotations

import random
from collections.abc import Iterator
from operator import attrgetter

import msgspec
import pytest
from journal_world import World, a_process, a_record, given

from vfs.journal.graph import FilesNode
from vfs.journal.impact import impact
from vfs.journal.lineage import up
from vfs.journal.own import own_inputs
from vfs.model.commit import StoredCommit
from vfs.model.ids import Digest, digest_of
from vfs.model.record import Output, Read, RunRecord

PUT = a_record(kind="put", command=(b"vfs", b"put"), level="none")
COMMITS = 16
FILES = [b"a", b"b", b"d/c"]
# A path of a repo, and the digest of what is there.
File = tuple[str, bytes, Digest]


class Plain:
    """What is known without any index: of each commit which commit made each path, and its record."""

    def __init__(self, world: World, draw: random.Random) -> None:
        self.world = world
        self.draw = draw
        self.commits: list[tuple[StoredCommit, RunRecord | None]] = []
        self.origin: dict[bytes, dict[bytes, bytes]] = {}
        self.content: dict[bytes, dict[bytes, Digest]] = {}
        self._heads: dict[str, StoredCommit] = {}
        self._count = 0

    def grow(self) -> None:
        """Another put, run, or commit of a mount."""
        repo = self.draw.choice(["r0", "r1", "r2"])
        if not self.commits or self.draw.random() < 0.3:
            self._commit(repo, self._fresh(), None, replace=False)
            return
        inputs = [self.draw.choice(self.commits)[0] for _ in range(self.draw.choice([1, 1, 2]))]
        kind = self.draw.choice(["run", "run", "mount"])
        made = self._fresh()
        self._commit(repo, made, self._record(inputs, made, kind), replace=kind == "run")

    def _fresh(self) -> dict[bytes, bytes]:
        paths = self.draw.sample(FILES, self.draw.choice([1, 2, 2, 3]))
        self._count += 1
        return {path: b"%s %d" % (path, self._count) for path in paths}

    def _record(self, inputs: list[StoredCommit], made: dict[bytes, bytes], kind: str) -> RunRecord:
        """A shell with two children: reads and writes fall to any of the three, in any order."""
        reads, outputs = [], []
        todo: list[tuple[int, bytes, Digest | None]] = [
            (place, path, digest)
            for place, stored in enumerate(inputs)
            for path, digest in self.content[stored.id].items()
            if self.draw.random() < 0.5
        ]
        todo += [(-1, path, None) for path in made]
        self.draw.shuffle(todo)
        for at, (place, path, digest) in enumerate(todo, 1):
            process = self.draw.choice([1, 2, 2, 3, 3])
            if digest is None:
                writer = 0 if self.draw.random() < 0.1 else process
                outputs.append(Output(path, digest_of(made[path]), writer, at))
            else:
                reads.append(Read(process, place, path, digest, at))
        level = self.draw.choice(["fanotify"] * 6 + ["open"])
        outputs.sort(key=attrgetter("path"))
        record = a_record(given(*inputs), reads, kind=kind, level=level, outputs=tuple(outputs))
        linked = (3,) if self.draw.random() < 0.2 else ()
        processes = (a_process(1), a_process(2, parent=1, linked=linked), a_process(3, parent=1))
        return msgspec.structs.replace(record, processes=processes)

    def _commit(self, repo: str, made: dict[bytes, bytes], record: RunRecord | None, *, replace: bool) -> None:
        stored = self.world.commit(repo, made, record=record or PUT, replace=replace)
        base = self._heads.get(repo) if not replace else None
        kept = base.id if base is not None else b""
        self.origin[stored.id] = {**self.origin.get(kept, {}), **dict.fromkeys(made, stored.id)}
        fresh = {path: digest_of(data) for path, data in made.items()}
        self.content[stored.id] = {**self.content.get(kept, {}), **fresh}
        self._heads[repo] = stored
        self.commits.append((stored, record))

    def files(self) -> Iterator[tuple[StoredCommit, File]]:
        """Each file that some commit made."""
        for stored, _ in self.commits:
            for path, origin in self.origin[stored.id].items():
                if origin == stored.id:
                    yield stored, (stored.commit.repo, path, self.content[stored.id][path])

    def downstream(self, file: File) -> dict[bytes, tuple[set[bytes], set[bytes]]]:
        """For each commit that has something of `file`: what is direct, and what is possible."""
        found: dict[bytes, tuple[set[bytes], set[bytes]]] = {}
        for stored, record in self.commits:
            if record is None:
                continue
            some = [read for read in record.reads if self._has(record, read, file, found) is not None]
            if not some:
                continue
            sure = {read for read in some if self._has(record, read, file, found)}
            direct = {one.path for one in record.outputs if sure & set(own_inputs(record, one.path).reads)}
            found[stored.id] = (direct, {one.path for one in record.outputs} - direct)
        return found

    def _has(
        self, record: RunRecord, read: Read, file: File, found: dict[bytes, tuple[set[bytes], set[bytes]]]
    ) -> bool | None:
        """True when the read is certain to be of `file` or made from it, False when possible, None when it is not."""
        given_id = record.inputs[read.input].commit
        if (record.inputs[read.input].repo, read.path, read.digest) == file:
            return True
        origin = found.get(self.origin[given_id][read.path])
        return None if origin is None else read.path in origin[0]


@pytest.mark.parametrize("seed", [0, 1, 2, 100, 117, 212])
def test_impact_and_lineage_agree_with_a_plain_look_at_every_record(world: World, seed: int) -> None:
    plain = Plain(world, random.Random(seed))
    for _ in range(COMMITS):
        plain.grow()
    for source, file in plain.files():
        expected = plain.downstream(file)
        graph = impact(world.library, world.resolved(source, file[1]))
        got = {node.commit: (set(node.direct), set(node.possible)) for node in graph.affected()}
        assert got == expected
    for stored, record in plain.commits:
        for output in record.outputs if record is not None else ():
            above = up(world.library, world.resolved(stored, output.path))
            groups = [node for node in above.nodes if isinstance(node, FilesNode)]
            seen = {(node.repo, path, digest) for node in groups for path, digest in node.files}
            for _, file in plain.files():
                direct = output.path in plain.downstream(file).get(stored.id, (set(), set()))[0]
                assert (file in seen) == direct
