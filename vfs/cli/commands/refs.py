"""`vfs branch` and `vfs tag`: names for commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import first_line
from vfs.cli.parameters import BRANCH, REPO, REVISION
from vfs.cli.values import local_time, utc_time
from vfs.errors import UsageError
from vfs.model.commit import StoredCommit
from vfs.model.ids import short
from vfs.model.revision import Revision

if TYPE_CHECKING:
    from vfs.repo.refs import RefSet


@click.group("branch")
def branch_command() -> None:
    """List, create, move and delete branches."""


@click.group("tag")
def tag_command() -> None:
    """List, create and delete tags."""


@branch_command.command("list")
@click.argument("repo", type=REPO)
@options.as_json
@pass_call
def list_branches(call: Call, repo: str, as_json: bool) -> None:
    """List the branches of a repo.

    \b
    Example:
      vfs branch list photos
    """
    _list(call, repo, "branch", as_json)


@tag_command.command("list")
@click.argument("repo", type=REPO)
@options.as_json
@pass_call
def list_tags(call: Call, repo: str, as_json: bool) -> None:
    """List the tags of a repo.

    \b
    Example:
      vfs tag list photos --json
    """
    _list(call, repo, "tag", as_json)


@branch_command.command("create")
@click.argument("branch", metavar="REPO@BRANCH", type=BRANCH)
@click.argument("start", metavar="[REV]", type=REVISION, required=False)
@pass_call
def create_branch(call: Call, branch: Revision, start: Revision | None) -> None:
    """Create a branch at a commit of the same repo.

    Without REV at the head of main.

    \b
    Examples:
      vfs branch create photos@retouched
      vfs branch create photos@old photos@main~3
    """
    _create(call, branch, start, "branch")


@tag_command.command("create")
@click.argument("tag", metavar="REPO@TAG", type=BRANCH)
@click.argument("start", metavar="[REV]", type=REVISION, required=False)
@pass_call
def create_tag(call: Call, tag: Revision, start: Revision | None) -> None:
    """Create a tag at a commit of the same repo.

    Without REV at the head of main.

    \b
    Example:
      vfs tag create photos@v1 photos@main
    """
    _create(call, tag, start, "tag")


@branch_command.command("move")
@click.argument("branch", metavar="REPO@BRANCH", type=BRANCH)
@click.argument("to", metavar="REV", type=REVISION)
@pass_call
def move_branch(call: Call, branch: Revision, to: Revision) -> None:
    """Point a branch at another commit of the same repo.

    The commits it leaves stay in the store; the line printed names the one it came from.

    \b
    Example:
      vfs branch move photos@main photos@main~1
    """
    name = _label(branch)
    stored = _commit(call, branch, to)
    refs = _refs(call, branch.repo, "branch")
    old, version = refs.get(name)
    refs.move(name, stored.id, expected=version)
    output.line(f"branch {branch.repo}@{name} moved from {short(old)} to {short(stored.id)}")


@branch_command.command("delete")
@click.argument("branch", metavar="REPO@BRANCH", type=BRANCH)
@pass_call
def delete_branch(call: Call, branch: Revision) -> None:
    """Delete a branch; its commits stay.

    \b
    Example:
      vfs branch delete photos@retouched
    """
    _delete(call, branch, "branch")


@tag_command.command("delete")
@click.argument("tag", metavar="REPO@TAG", type=BRANCH)
@pass_call
def delete_tag(call: Call, tag: Revision) -> None:
    """Delete a tag; its commit stays.

    \b
    Example:
      vfs tag delete photos@v1
    """
    _delete(call, tag, "tag")


def _refs(call: Call, repo: str, kind: str) -> RefSet:
    from vfs.repo.refs import Refs
    from vfs.repo.repos import repo_info

    repo_info(call.library(), repo)
    refs = Refs(call.library(), repo)
    return refs.tags if kind == "tag" else refs.branches


def _label(named: Revision) -> str:
    if named.rev is None or named.back or named.path:
        raise UsageError(f"{named}: expected REPO@NAME and nothing more")
    return named.rev


def _commit(call: Call, named: Revision, start: Revision | None) -> StoredCommit:
    from vfs.repo.resolve import resolve

    start = start or Revision(named.repo)
    if start.path:
        raise UsageError(f"{start}: a branch or tag names a whole commit, not a path")
    if start.repo != named.repo:
        raise UsageError(
            f"{start}: names repo {start.repo}, not {named.repo}; a commit of it is {named.repo}@{start.repo}"
        )
    return resolve(call.library(), start).stored


def _create(call: Call, named: Revision, start: Revision | None, kind: str) -> None:
    name = _label(named)
    stored = _commit(call, named, start)
    _refs(call, named.repo, kind).create(name, stored.id)
    output.line(f"{kind} {named} is {short(stored.id)}")


def _delete(call: Call, named: Revision, kind: str) -> None:
    name = _label(named)
    refs = _refs(call, named.repo, kind)
    old, _ = refs.get(name)
    refs.delete(name)
    output.line(f"{kind} {named} deleted; it was {short(old)}")


def _list(call: Call, repo: str, kind: str, as_json: bool) -> None:
    from vfs.repo.commits import read_commit

    library = call.library()
    found = ((ref.name, read_commit(library, repo, ref.commit)) for ref in _refs(call, repo, kind).list())
    if as_json:
        output.array(_ref_json(name, stored) for name, stored in found)
        return
    rows = [
        (name, short(stored.id), local_time(stored.commit.time_ns), first_line(stored.commit.message))
        for name, stored in found
    ]
    output.table((kind, "commit", "time", "message"), rows)
    if not rows:
        output.note(
            f"{repo}: no {'tags' if kind == 'tag' else 'branches'} yet; vfs {kind} create {repo}@NAME makes one"
        )


def _ref_json(name: str, stored: StoredCommit) -> dict[str, str]:
    commit = stored.commit
    return {
        "name": name,
        "commit": stored.id.hex(),
        "time": utc_time(commit.time_ns),
        "author": commit.author,
        "message": commit.message,
    }
