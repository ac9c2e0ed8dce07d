"""Sessions: one run's or one mount's life in the journal."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Iterable, Mapping, Sequence

import vfs
from vfs.errors import NotFound
from vfs.journal.environment import allowed
from vfs.journal.events import CommitMade, Event, OutputsMade, SessionEnd, SessionStart
from vfs.journal.log import Journal
from vfs.journal.masking import masked
from vfs.model.commit import InputCommit, StoredCommit
from vfs.model.record import Output

# Outputs per record: a record stays below a megabyte.
_OUTPUTS = 4096


def begin_session(
    journal: Journal,
    *,
    kind: str,
    mountpoint: str | bytes | os.PathLike[str] = b"",
    command: Sequence[str | bytes] = (),
    inputs: Sequence[InputCommit] = (),
    cwd: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    record_environment: Iterable[str] = (),
) -> str:
    """Record that a session begins and return its id (16 hex digits).

    `kind` is run, mount or put; `command` its argument vector, recorded with its secrets masked; `inputs` the
    commits it was given. Of `environment` (default: our own) only the allow-list is kept, and the names
    `record_environment`. JournalError when it cannot be recorded: do not start the run then.
    """
    session = secrets.token_hex(8)
    start = SessionStart(
        session=session,
        kind=kind,
        mountpoint=os.fsencode(mountpoint),
        command=masked(os.fsencode(word) for word in command),
        cwd=current_directory() if cwd is None else cwd,
        user=user_name(),
        uid=os.getuid(),
        host=socket.gethostname(),
        pid=os.getpid(),
        version=vfs.__version__,
        environment=allowed(os.environ if environment is None else environment, record_environment),
        inputs=tuple(inputs),
    )
    journal.append([start])
    return session


def end_session(journal: Journal, session: str, *, exit_code: int = 0) -> None:
    """Record that a session ended, with the exit status of its command (0 for a mount)."""
    journal.append([SessionEnd(session=session, exit_code=exit_code)])


def note_commit(
    journal: Journal, session: str, *, stored: StoredCommit, branch: str, outputs: Sequence[Output] = ()
) -> None:
    """Record a commit that the session made, and the paths it made or changed."""
    events: list[Event] = [
        OutputsMade(session=session, outputs=tuple(outputs[start : start + _OUTPUTS]))
        for start in range(0, len(outputs), _OUTPUTS)
    ]
    commit = stored.commit
    events.append(CommitMade(session=session, repo=commit.repo, branch=branch, commit=stored.id, record=commit.record))
    journal.append(events)


def session_start(journal: Journal, session: str) -> tuple[SessionStart, int]:
    """What is known of the beginning of a session, and when it was (ns since the epoch); NotFound for an unknown id."""
    rows = journal.select("SELECT started FROM sessions WHERE session = ?", (session,))
    if not rows or not isinstance(rows[0][0], int):
        raise NotFound(f"session {session}: not in the journal {journal.path}")
    event, record = journal.event(rows[0][0]), journal.record(rows[0][0])
    if not isinstance(event, SessionStart):
        raise NotFound(f"session {session}: its beginning is not in the journal {journal.path}")
    return event, record.time_ns


def sessions_at(journal: Journal, mountpoint: str | bytes | os.PathLike[str], *, since_ns: int = 0) -> list[str]:
    """The mounts of `mountpoint` that began at `since_ns` or later, oldest first, by their sessions."""
    wanted = os.fsencode(mountpoint)
    found = []
    for (seq,) in journal.select("SELECT started FROM sessions WHERE kind = 'mount' ORDER BY started"):
        event = journal.event(int(str(seq)))
        if isinstance(event, SessionStart) and event.mountpoint == wanted:
            _, began_ns = session_start(journal, event.session)
            if began_ns >= since_ns:
                found.append(event.session)
    return found


def user_name() -> str:
    """The name of the user of this process, its number when it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def current_directory() -> bytes:
    """The working directory of this process, b"" when it was removed."""
    try:
        return os.getcwdb()
    except OSError:
        return b""
