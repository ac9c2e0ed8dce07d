"""The one parser for what a user types to name a commit: `repo[@rev][~N][:path]`."""

from __future__ import annotations

import re

import msgspec

from vfs.errors import InvalidName
from vfs.model.names import check_label, clean_path, printable

DEFAULT_BRANCH = "main"
_SHAPE = re.compile(r"(?P<repo>[^@:~]*)(?:@(?P<rev>[^@:~]+))?(?:~(?P<back>\d{1,9}))?(?::(?P<path>.*))?", re.DOTALL)


class Revision(msgspec.Struct, frozen=True):
    """A parsed revision. `rev` is a branch, a tag or a commit prefix; None means branch `main`.

    `back` counts first parents; `path` is b"" when none was given.
    """

    repo: str
    rev: str | None = None
    back: int = 0
    path: bytes = b""

    @property
    def branch(self) -> str:
        """The name after `@`, or `main`: what a command that writes to a branch means."""
        return self.rev or DEFAULT_BRANCH

    def __str__(self) -> str:
        text = self.repo
        if self.rev:
            text += f"@{self.rev}"
        if self.back:
            text += f"~{self.back}"
        return text + (f":{printable(self.path)}" if self.path else "")


def parse_revision(text: str) -> Revision:
    """`text` (as from argv, undecodable bytes as surrogates) to a `Revision`; InvalidName otherwise."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        shown = printable(text.encode("utf-8", "surrogateescape"))
        raise InvalidName(f"'{shown}': not a revision; expected REPO[@BRANCH|TAG|COMMIT][~N][:PATH]")
    repo = check_label("repo", match["repo"])
    rev = check_label("revision", match["rev"]) if match["rev"] is not None else None
    path = clean_path((match["path"] or "").encode("utf-8", "surrogateescape"))
    return Revision(repo=repo, rev=rev, back=int(match["back"] or 0), path=path)
