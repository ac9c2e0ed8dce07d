"""Kinds of arguments: revisions, labels, mount points, each with its completion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from vfs.cli import suggest

if TYPE_CHECKING:
    from vfs.model.revision import Revision

Suggest = Callable[[click.Context, str], list[str]]


class _Suggesting(click.ParamType[Any]):
    """A parameter completed by a function of `vfs.cli.suggest`."""

    def __init__(self, name: str, suggest: Suggest) -> None:
        self.name = name
        self._suggest = suggest

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What the store or the state directory offers for `incomplete`."""
        return [CompletionItem(text) for text in self._suggest(ctx, incomplete)]


class _RevisionType(_Suggesting):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Revision:
        """The parsed revision; InvalidName for anything else."""
        from vfs.model.revision import parse_revision

        return parse_revision(value) if isinstance(value, str) else value


class _PathType(_Suggesting):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, which must not be empty: an empty path would mean the directory we are in."""
        if not value:
            self.fail("an empty path", param, ctx)
        return str(value)


class _LocalPathType(click.Path):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, which must not be empty."""
        if not value:
            self.fail("an empty path", param, ctx)
        return str(value)


REVISION = _RevisionType("revision", suggest.revisions)
BRANCH = _RevisionType("repo@branch", suggest.revisions)
REPO = _Suggesting("repo", suggest.repos)
MOUNTPOINT = _PathType("dir", suggest.mountpoints)
REVISION_OR_MOUNT = _PathType("revision or dir", suggest.revisions_or_mounts)
LOCAL_PATH = _LocalPathType()
INPUT = _Suggesting("input", suggest.inputs)
