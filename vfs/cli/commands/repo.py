"""`vfs repo`: repos of a store."""

from __future__ import annotations

from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.parameters import REPO
from vfs.cli.values import local_time, utc_time
from vfs.repo.repos import RepoInfo, create_repo, delete_repo, repo_info, repos


@click.group("repo")
def repo_command() -> None:
    """Create, list, show and delete repos."""


@repo_command.command("create")
@click.argument("name")
@click.option("-d", "--description", default="", metavar="TEXT", help="What the repo holds.")
@pass_call
def create(call: Call, name: str, description: str) -> None:
    """Create an empty repo.

    \b
    Example:
      vfs repo create photos -d "All photographs since 2009"
    """
    info = create_repo(call.library(), name, description)
    output.line(f"repo {info.name} created")


@repo_command.command("list")
@options.as_json
@pass_call
def list_(call: Call, as_json: bool) -> None:
    """List the repos of the store.

    \b
    Example:
      vfs repo list --json
    """
    print_repos(call, as_json)


@repo_command.command("show")
@click.argument("name", type=REPO)
@options.as_json
@pass_call
def show(call: Call, name: str, as_json: bool) -> None:
    """Show a repo with its branches and tags.

    \b
    Example:
      vfs repo show photos
    """
    from vfs.repo.refs import Refs

    library = call.library()
    info = repo_info(library, name)
    refs = Refs(library, name)
    branches = {ref.name: ref.commit.hex() for ref in refs.branches.list()}
    tags = {ref.name: ref.commit.hex() for ref in refs.tags.list()}
    if as_json:
        output.document({**_json(info), "branches": branches, "tags": tags})
        return
    output.fields(
        [("repo", info.name), ("description", info.description), ("created", local_time(info.created_ns))]
        + [("branch", f"{branch} {commit[:12]}") for branch, commit in branches.items()]
        + [("tag", f"{tag} {commit[:12]}") for tag, commit in tags.items()]
    )


@repo_command.command("delete")
@click.argument("name", type=REPO)
@click.option("--force", is_flag=True, help="Also when it has commits, which are lost.")
@pass_call
def delete(call: Call, name: str, force: bool) -> None:
    """Delete a repo.

    \b
    Example:
      vfs repo delete scratch --force
    """
    delete_repo(call.library(), name, force=force)
    output.line(f"repo {name} deleted")


def print_repos(call: Call, as_json: bool) -> None:
    """The repos of the store as a table or as JSON."""
    found = repos(call.library())
    if as_json:
        output.array(map(_json, found))
        return
    rows = [(info.name, local_time(info.created_ns), info.description) for info in found]
    output.table(("name", "created", "description"), rows)
    if not rows:
        output.note("no repos yet; vfs repo create NAME makes one")


def _json(info: RepoInfo) -> dict[str, Any]:
    return {"name": info.name, "description": info.description, "created": utc_time(info.created_ns)}
