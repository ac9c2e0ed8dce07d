"""What a run is given: commits by name, and the variables that tell the command where they are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

from vfs.control.spec import OUTPUT_NAME, View, view_of
from vfs.errors import PathNotFound, UsageError
from vfs.model.commit import InputCommit
from vfs.model.names import check_label
from vfs.model.revision import Revision, parse_revision
from vfs.repo.library import Library
from vfs.repo.resolve import Resolved, resolve

# Where a command finds its inputs and its output directory, whatever the machine.
PLACE = "/pfs"
OUTPUT = f"{PLACE}/{OUTPUT_NAME}"
_NOT_IN_VARIABLES = re.compile(r"[^A-Z0-9]")


class Input(msgspec.Struct, frozen=True):
    """A revision as the user named it, and the name it gets below `/pfs`."""

    name: str
    revision: Revision


class GivenInput(msgspec.Struct, frozen=True):
    """An input found in the store."""

    name: str
    resolved: Resolved

    @property
    def path(self) -> str:
        """Where the command sees it."""
        return f"{PLACE}/{self.name}"

    @property
    def variable(self) -> str:
        """The environment variable that says so."""
        return "VFS_INPUT_" + _NOT_IN_VARIABLES.sub("_", self.name.upper())

    def commit(self) -> InputCommit:
        """As commits and records name it."""
        return InputCommit(self.name, self.resolved.repo, self.resolved.stored.id)

    def view(self) -> View:
        """As the mount shows it."""
        resolved = self.resolved
        return view_of(resolved.repo, resolved.stored, name=self.name, path=resolved.path)


def parse_input(text: str) -> Input:
    """`REV` (named after its repo) or `NAME=REV`; InvalidName, UsageError for the name of the output."""
    name, equals, rest = text.partition("=")
    revision = parse_revision(rest if equals else text)
    name = check_label("input", name if equals else revision.repo)
    if name == OUTPUT_NAME:
        raise UsageError(f"input '{name}': the name is taken by the output directory; choose another with NAME=REV")
    return Input(name, revision)


def find_inputs(library: Library, inputs: Sequence[Input]) -> list[GivenInput]:
    """The inputs in the store, in the order given. UsageError for two of one name; else as `resolve`, PathNotFound."""
    return check_given(library, [GivenInput(item.name, resolve(library, item.revision)) for item in inputs])


def check_given(library: Library, given: list[GivenInput]) -> list[GivenInput]:
    """`given` if a run can show these side by side. UsageError for two of one name, PathNotFound."""
    _check_distinct([item.name for item in given], "inputs called")
    _check_distinct([item.variable for item in given], "inputs with the variable")
    for item in given:
        if library.tree(item.resolved.stored).find(item.resolved.path) is None:
            raise PathNotFound(f"{item.resolved.revision}: no such path")
    return given


def shown_paths(given: Sequence[GivenInput]) -> tuple[bytes, ...]:
    """What of each input is shown, by its path in the commit; nothing at all when each is shown whole."""
    paths = tuple(item.resolved.path for item in given)
    return paths if any(paths) else ()


def variables(given: Sequence[GivenInput]) -> dict[str, str]:
    """VFS_OUT, VFS_INPUTS (paths separated by blanks) and a VFS_INPUT_<NAME> for each."""
    return {
        "VFS_OUT": OUTPUT,
        "VFS_INPUTS": " ".join(item.path for item in given),
        **{item.variable: item.path for item in given},
    }


def _check_distinct(names: list[str], what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UsageError(f"two {what} {twice[0]}; name them apart with NAME=REV")
