"""The run record of a commit made from a layer: all that was read in the sessions in which it was written to."""

from __future__ import annotations

from collections.abc import Sequence

from vfs.errors import NotFound
from vfs.journal.log import Journal
from vfs.journal.record import mount_record, put_record
from vfs.journal.session import session_start
from vfs.journal.writers import Writers
from vfs.model.commit import InputCommit
from vfs.model.record import RunRecord
from vfs.workspace.layer import Layer


def layer_sessions(journal: Journal, layer: Layer, session: str = "") -> list[str]:
    """The sessions in which `layer` was written to, as far as the journal has them; the last is `session`, if given."""
    found = [one for one in layer.sessions() if one != session and _is_known(journal, one)]
    return [*found, session] if session else found


def layer_record(journal: Journal, layer: Layer, *, command: Sequence[bytes], session: str = "") -> RunRecord:
    """The record for a commit of `layer` by `command`. `session`: that of its mount, flushed, where it is mounted.

    A layer that no session of this journal knows has a record that names its commit and says nothing of reads.
    """
    sessions = layer_sessions(journal, layer, session)
    if sessions:
        return mount_record(journal, sessions[-1], command=command, earlier=sessions[:-1])
    base = layer.base
    given = InputCommit(name=base.repo, repo=base.repo, commit=base.id)
    return put_record(command=command, started_ns=base.created_ns, kind="mount", inputs=(given,))


def layer_writers(journal: Journal, layer: Layer, session: str = "") -> Writers | None:
    """Who wrote the files of `layer` in its last session, by their inodes in the upper directory; None for nobody."""
    sessions = layer_sessions(journal, layer, session)
    return Writers(journal, sessions, only=sessions[-1]) if sessions else None


def _is_known(journal: Journal, session: str) -> bool:
    try:
        session_start(journal, session)
    except NotFound:
        return False
    return True
