"""All commands: name, where they are defined, summary. The one list that help, completion and tests read."""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """A command: its name, its module in `vfs.cli.commands`, the attribute there, its summary."""

    name: str
    module: str
    attribute: str
    summary: str


def _item(name: str, summary: str, module: str = "") -> Item:
    return Item(name, module or name, f"{name}_command", summary)


SECTIONS: dict[str, tuple[Item, ...]] = {
    "Stores and repos": (
        _item("init", "Create the store, or check that it is there."),
        _item("repo", "Create, list, show and delete repos."),
        _item("cache", "Show, check, limit and empty the local cache."),
        _item("config", "Show each setting and where it comes from."),
    ),
    "Data in and out": (
        _item("put", "Commit files and directories into a repo."),
        _item("export", "Write a revision to a local directory."),
        _item("prefetch", "Fetch what a program will read into the local cache."),
        _item("rm", "Remove a path from a branch, as a new commit."),
    ),
    "Looking at revisions": (
        _item("ls", "List a directory or a file of a revision."),
        _item("cat", "Write files of a revision to standard output."),
        _item("stat", "Show all that is known of one path."),
        _item("tree", "Show directories as a tree."),
        _item("du", "Show how much the directories hold."),
        _item("verify", "Read a whole commit, check every digest and its signatures."),
    ),
    "History": (
        _item("log", "List the commits of a branch, newest first."),
        _item("show", "Show one commit and what it was made from."),
        _item("diff", "Compare two revisions, or a writable mount with its base."),
        _item("merge", "Bring the changes of a revision into a branch."),
        _item("revert", "Undo what a commit changed, as a new commit."),
        _item("reset", "Move a branch to a commit, or make one path as it was there."),
        _item("branch", "List, create, move and delete branches.", "refs"),
        _item("tag", "List, create and delete tags.", "refs"),
        _item("lineage", "Show what a commit was made from, or what was made from it."),
        _item("impact", "Show everything that was made from a file, as a list to act on."),
        _item("blame", "Show which commits and runs made a path what it is."),
        _item("key", "Make, share and trust the keys that sign commits."),
        _item("journal", "Verify, list and keep up the record of runs and reads."),
    ),
    "Mounts and runs": (
        _item("mount", "Mount a revision, or all repos, as a directory."),
        _item("umount", "Unmount a directory."),
        _item("mounts", "List the mounts of this user."),
        _item("status", "Show the health of mounts and what changed in them."),
        _item("stats", "Show what mounts asked of their store: requests, bytes, hits."),
        _item("commit", "Commit what changed in a writable mount."),
        _item("discard", "Throw away what changed in a writable mount."),
        _item("shell", "Start a shell, or a program, in a writable tree of a revision."),
        _item("run", "Run a program on revisions and commit what it writes."),
        _item("rerun", "Run again what made a commit, and compare."),
        _item("explain", "Show why two commits differ."),
    ),
    "The command itself": (_item("completion", "Print the completion script of a shell."),),
}

COMMANDS: dict[str, Item] = {item.name: item for items in SECTIONS.values() for item in items}
