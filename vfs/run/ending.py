"""What is still to be done when a command has ended, whatever came before: a failure of that hides nothing.

It is told as a line beside the error, or the result, that was there first.
"""

from __future__ import annotations

from collections.abc import Sequence

from vfs.errors import VfsError
from vfs.journal.log import Journal
from vfs.journal.session import end_session, note_commit
from vfs.model.commit import StoredCommit
from vfs.model.record import Output
from vfs.run.place import RunPlace


def ended(journal: Journal, session: str, *, exit_code: int) -> tuple[str, ...]:
    """Record that the session ended; a line that says so where it could not be recorded."""
    try:
        end_session(journal, session, exit_code=exit_code)
    except VfsError as error:
        return (f"the end of session {session} could not be recorded: {error}",)
    return ()


def noted(
    journal: Journal, session: str, *, stored: StoredCommit, branch: str, outputs: Sequence[Output]
) -> tuple[str, ...]:
    """Record a commit that stands, as `note_commit` does; a line that says so where it could not be recorded."""
    try:
        note_commit(journal, session, stored=stored, branch=branch, outputs=outputs)
    except VfsError as error:
        return (f"the commit stands, and that it was made in session {session} could not be recorded: {error}",)
    return ()


def removed(place: RunPlace) -> tuple[str, ...]:
    """Leave nothing of a run; a line that says so where something is left."""
    try:
        place.remove()
    except VfsError as error:
        return (str(error),)
    return ()


def with_lines(error: VfsError, *lines: str) -> VfsError:
    """`error`, and behind its own cause what else has to be said, on one line."""
    return type(error)("; ".join([str(error), *lines])) if lines else error
