"""A small store with commits, runs and their records, written with the real parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from vfs.config.settings import default_settings
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.entry import Entry, Kind
from vfs.model.record import Output, Process, Read, RunRecord
from vfs.model.revision import Revision
from vfs.repo.commit import commit_tree
from vfs.repo.commits import read_commit
from vfs.repo.library import Library
from vfs.repo.refs import Refs
from vfs.repo.repos import create_repo, repo_names
from vfs.repo.resolve import Resolved
from vfs.tree.edit import Change, Put, Remove, edit

# A fixed time: 2026-03-01 12:00 UTC.
T0 = 1_772_366_400_000_000_000
SECOND = 1_000_000_000


class World:
    """A library in a temporary directory; every commit is a second after the one before."""

    def __init__(self, tmp_path: Path) -> None:
        self.directory = tmp_path
        settings = default_settings(
            store=f"file://{tmp_path}/store", state_dir=str(tmp_path / "state"), cache_dir=str(tmp_path / "cache")
        )
        self.library = Library.create(settings)
        self._ticks = 0

    def commit(
        self,
        repo: str,
        files: Mapping[bytes, bytes | None],
        *,
        branch: str = "main",
        message: str = "",
        record: RunRecord | None = None,
        replace: bool = False,
        inputs: tuple[InputCommit, ...] = (),
    ) -> StoredCommit:
        """A commit on top of the branch: files by path, None to remove one; `replace` starts from nothing."""
        if repo not in set(repo_names(self.library)):
            create_repo(self.library, repo)
        found = Refs(self.library, repo).branches.find(branch)
        base = read_commit(self.library, repo, found[0]) if found else None
        self._ticks += 1
        now = T0 + self._ticks * SECOND
        writer = self.library.writer()
        changes: list[Change] = []
        for path, data in files.items():
            if data is None:
                changes.append(Remove(path))
                continue
            digest, content = writer.put_bytes(data)
            changes.append(
                Put(
                    Entry(
                        path=path,
                        kind=Kind.FILE,
                        mode=0o644,
                        mtime_ns=now,
                        size=len(data),
                        digest=digest,
                        content=content,
                    )
                )
            )
        tree = None if base is None or replace else self.library.tree(base)
        writer.flush()
        root = edit(tree, writer, changes, mtime_ns=now)
        return commit_tree(
            self.library,
            repo=repo,
            branch=branch,
            root=root,
            base=base,
            author="anna@host1",
            message=message,
            record=record,
            inputs=inputs,
            writer=writer,
        )

    def read(self, stored: StoredCommit, *paths: bytes, place: int = 0, process: int = 1) -> list[Read]:
        """Reads of these files of a commit that is input number `place`."""
        tree = self.library.tree(stored)
        return [Read(process, place, path, tree.get(path).digest) for path in paths]

    def resolved(self, stored: StoredCommit, path: bytes = b"") -> Resolved:
        """The commit as a revision that was resolved."""
        repo = stored.commit.repo
        return Resolved(Revision(repo, stored.id.hex(), 0, path), repo, stored, path, None)

    def reopened(self) -> World:
        """The same store with nothing remembered."""
        return World(self.directory)

    def damage(self, key: str) -> None:
        """Flip a bit near the start of an object of the store."""
        path = self.directory / "store" / key
        data = bytearray(path.read_bytes())
        data[40] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.library.close()


def given(*commits: StoredCommit) -> tuple[InputCommit, ...]:
    """Commits as inputs, each under the name of its repo."""
    return tuple(InputCommit(stored.commit.repo, stored.commit.repo, stored.id) for stored in commits)


def a_record(
    inputs: tuple[InputCommit, ...] = (),
    reads: Iterable[Read] = (),
    *,
    kind: str = "run",
    command: tuple[bytes, ...] = (b"python", b"thumb.py"),
    level: str = "open",
    gaps: int = 0,
    outputs: tuple[Output, ...] = (),
) -> RunRecord:
    """A record of a run that took 3.2 s."""
    return RunRecord(
        kind=kind,
        command=command,
        cwd=b"/home/anna",
        exit_code=0,
        started_ns=T0,
        ended_ns=T0 + 3_200_000_000,
        user="anna",
        host="host1",
        version="0.1.0",
        level=level,
        gaps=gaps,
        inputs=inputs,
        processes=(a_process(),),
        reads=tuple(reads),
        outputs=outputs,
    )


def a_process(key: int = 1, **changed: object) -> Process:
    """A process with number `key` in its record."""
    values: dict[str, object] = {
        "key": key,
        "parent": 0,
        "pid": 100 + key,
        "started_ns": T0,
        "ended_ns": 0,
        "exe": b"/usr/bin/python3",
        "exe_digest": bytes(32),
        "argv": (b"python", b"thumb.py"),
        "cwd": b"/home/anna",
        "uid": 1000,
        "user": "anna",
        "container": "",
    }
    return Process(**{**values, **changed})
