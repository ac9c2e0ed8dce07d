"""What an earlier run of the same command read, in which order: what a new one will read, most likely."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vfs.journal.events import ReadsSeen, SessionStart
from vfs.journal.log import Journal

# Runs looked at, latest first: 20 µs each.
SESSIONS_MAX = 256
# Reads looked at, of all processes: some 20 MB of paths.
READS_MAX = 200_000


def earlier_reads(
    journal: Journal, command: Sequence[bytes], cwd: bytes, *, repo: str, limit: int = READS_MAX
) -> list[bytes]:
    """The paths of `repo` that the latest such run read, each once, in the order of their first opens.

    Such a run had the same command, word by word, began in the same directory and ended with 0. A word that names
    an output file makes another command of it: nothing is guessed about what words mean. At most `limit` reads,
    of any repo, are looked at. Empty when there was no such run, or it is not among the latest. Waits for the disk;
    JournalError, Corrupt.
    """
    session = _latest(journal, tuple(command), cwd)
    return [] if session is None else list(dict.fromkeys(_paths(journal, session, repo, limit)))


def _latest(journal: Journal, command: tuple[bytes, ...], cwd: bytes) -> str | None:
    query = "SELECT started FROM sessions WHERE kind = 'run' AND exit_code = 0 ORDER BY started DESC LIMIT ?"
    for (seq,) in journal.select(query, (SESSIONS_MAX,)):
        event = journal.event(int(str(seq)))
        if isinstance(event, SessionStart) and event.command == command and event.cwd == cwd:
            return event.session
    return None


def _paths(journal: Journal, session: str, repo: str, limit: int) -> Iterator[bytes]:
    left = limit
    for (seq,) in journal.select("SELECT seq FROM reads WHERE session = ? ORDER BY seq", (session,)):
        event = journal.event(int(str(seq)))
        if not isinstance(event, ReadsSeen):
            continue
        wanted = {place for place, source in enumerate(event.sources) if source[0] == repo}
        for _, place, path, _ in event.reads[:left]:
            if place in wanted:
                yield path
        left -= len(event.reads)
        if left <= 0:
            return
