"""What completion offers: repos, revisions with their paths, mount points. Quiet when nothing can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from vfs.cli.call import Call
from vfs.errors import VfsError

if TYPE_CHECKING:
    from vfs.repo.library import Library

# More than a shell would show on a screen.
MOST = 200


def repos(ctx: click.Context, incomplete: str) -> list[str]:
    """Names of repos that start with `incomplete`."""
    return _from_library(ctx, lambda library: _matching(_repo_names(library), incomplete))


def revisions(ctx: click.Context, incomplete: str) -> list[str]:
    """`repo`, then `repo@branch` or `repo@tag`, then `repo@branch:path`, as far as `incomplete` goes."""
    return _from_library(ctx, lambda library: _matching(_revisions(library, incomplete), incomplete))


def inputs(ctx: click.Context, incomplete: str) -> list[str]:
    """As `revisions`, after `NAME=` if there is one."""
    name, equals, rest = incomplete.rpartition("=")
    return [f"{name}{equals}{text}" for text in revisions(ctx, rest)]


def mountpoints(ctx: click.Context, incomplete: str) -> list[str]:
    """Directories where this user has a mount."""
    from vfs.control.registry import Registry

    try:
        mounts = Registry(_call(ctx).settings().state_dir).mounts()
    except VfsError:
        return []
    return _matching((mount.mountpoint for mount in mounts), incomplete)


def revisions_or_mounts(ctx: click.Context, incomplete: str) -> list[str]:
    """Mount points for what looks like a path, revisions for anything else."""
    return mountpoints(ctx, incomplete) if incomplete.startswith(("/", ".")) else revisions(ctx, incomplete)


def _call(ctx: click.Context) -> Call:
    # Completion runs no callbacks, so the global options are still where click parsed them to.
    given = ctx.find_root().params
    return Call({key: given[key] for key in ("store", "state_dir", "cache_dir") if given.get(key)})


def _from_library(ctx: click.Context, ask: Callable[[Library], list[str]]) -> list[str]:
    call = _call(ctx)
    try:
        return ask(call.library())
    except VfsError:
        return []
    finally:
        call.close()


def _matching(texts: Iterator[str], incomplete: str) -> list[str]:
    # A shell script takes a reply a line and splits at blanks: names with such characters are left to the user.
    fitting = (text for text in texts if text.startswith(incomplete) and text.isprintable() and " " not in text)
    return list(islice(fitting, MOST))


def _repo_names(library: Library) -> Iterator[str]:
    from vfs.repo.repos import repo_names

    return repo_names(library)


def _revisions(library: Library, incomplete: str) -> Iterator[str]:
    if ":" in incomplete:
        return _paths(library, incomplete)
    if "@" in incomplete:
        return _labels(library, incomplete.partition("@")[0])
    return _repo_names(library)


def _labels(library: Library, repo: str) -> Iterator[str]:
    from vfs.repo.refs import Refs

    refs = Refs(library, repo)
    return (f"{repo}@{ref.name}" for kind in (refs.branches, refs.tags) for ref in kind.list())


def _paths(library: Library, incomplete: str) -> Iterator[str]:
    from vfs.model.entry import Kind
    from vfs.model.revision import parse_revision
    from vfs.repo.resolve import resolve

    typed, _, path = incomplete.partition(":")
    above = path.rpartition("/")[0]
    resolved = resolve(library, parse_revision(f"{typed}:{above}"))
    for _, entry in library.tree(resolved.stored).children(resolved.path):
        shown = entry.path.decode("utf-8", "replace")
        yield f"{typed}:{shown}/" if entry.kind is Kind.DIR else f"{typed}:{shown}"
