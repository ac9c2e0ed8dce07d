"""The branch a run commits to. Its repo need not exist before there is something to commit."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import msgspec

from vfs.errors import AlreadyExists, RepoNotFound, UsageError, VfsError
from vfs.journal.masking import masked
from vfs.model.names import printable
from vfs.model.revision import Revision
from vfs.repo.library import Library
from vfs.repo.repos import create_repo, delete_repo
from vfs.repo.resolve import Target, resolve_branch

# Characters of the command line in the message of a commit that was given none.
_MESSAGE_MAX = 200


class RunTarget(msgspec.Struct, frozen=True):
    """A branch, and whether its repo is `absent` and made with the first commit."""

    branch: Target
    absent: bool


def find_target(library: Library, output: Revision) -> RunTarget:
    """The branch that `output` names, in a repo that may still be absent; else as `resolve_branch`."""
    if output.path or output.back:
        raise UsageError(f"{output}: a run commits to a branch, not to a path or an older commit")
    try:
        return RunTarget(resolve_branch(library, output), absent=False)
    except RepoNotFound:
        return RunTarget(Target(output.repo, output.branch, None), absent=True)


@contextmanager
def made(library: Library, target: RunTarget) -> Iterator[bool]:
    """The repo of `target` for a commit that is made inside; True when it was made for it.

    When the commit fails, a repo that was made for it is taken away again, unless somebody else used it meanwhile.
    """
    created = target.absent and _created(library, target.branch.repo)
    try:
        yield created
    except BaseException:
        if created:
            with suppress(VfsError):
                delete_repo(library, target.branch.repo)
        raise


def _created(library: Library, repo: str) -> bool:
    try:
        create_repo(library, repo)
    except AlreadyExists:
        return False
    return True


def default_message(command: Sequence[bytes]) -> str:
    """The command line as a shell would read it, as far as a log needs it; secrets in it are masked."""
    text = shlex.join(printable(word) for word in masked(command))
    return text if len(text) <= _MESSAGE_MAX else text[: _MESSAGE_MAX - 1] + "…"
