"""The answers of an audit report to other questions than where data came from: what depends on it, who made it when."""

from __future__ import annotations

from vfs.journal.graph import CommitNode
from vfs.journal.render import words
from vfs.journal.render.facts import Facts
from vfs.journal.render.markup import Child, Html, el, join, section, table
from vfs.journal.render.report_runs import ROWS, spoken

# Versions in the list of what was made, and those of them whose files are named.
_MADE = 200
_NAMED = 40


def versions(story: Facts, *, full: bool) -> Html:
    """The section on the versions of a path, or of what is in a directory; the first 50, or all when `full`."""
    by_id, found = story.graph.by_id(), story.graph.versions
    rows: list[tuple[Child, ...]] = []
    for version in found if full else found[:ROWS]:
        node = by_id.get(version.node)
        made = words.commit_title(node.repo, node.commit) if isinstance(node, CommitNode) else version.node
        when = spoken(node.time_ns) if isinstance(node, CommitNode) and node.time_ns else ""
        rows.append((version.path, made, when, version.kind, version.digest.hex()))
    heads = ("Path", "Made by", "When", "Kind", "Fingerprint (BLAKE3)")
    left = _left(len(found) - len(rows))
    order = "The newest first" if all(version.path == story.graph.path for version in found) else "By name"
    return section("versions", "Versions", table(order, heads, rows, code=(0, 1, 4)), left)


def consequences(story: Facts, *, full: bool) -> Html:
    """The section on what was made from the commit or the file, as a list to act on."""
    found = [node for node in story.commits() if node.id != story.graph.root]
    if not found:
        return section("below", "What was made from it", el("p", "No version in this store was made from it."))
    shown = found if full else found[:_MADE]
    rows: list[tuple[Child, ...]] = [
        (
            words.commit_title(node.repo, node.commit),
            spoken(node.time_ns) if node.time_ns else "not known",
            node.author,
            _certainty(node),
            ", ".join(node.refs or ()) or ("no branch or tag" if node.refs is not None else "not looked for"),
        )
        for node in shown
    ]
    heads = ("Version", "Recorded", "By", "Files made from it", "Still found in")
    listing = table(words.counted(len(found), "version"), heads, rows, code=(0,))
    named = [node for node in shown if node.direct or node.possible]
    files = [_files(node, full=full) for node in (named if full else named[:_NAMED])]
    return section("below", "What was made from it", listing, _left(len(found) - len(rows)), *files)


def _certainty(node: CommitNode) -> str:
    certain = words.counted(len(node.direct), "file") if node.direct else ""
    possible = f"{words.counted(len(node.possible), 'file')} possibly" if node.possible else ""
    return ", ".join(part for part in (certain, possible) if part) or "none by itself"


def _files(node: CommitNode, *, full: bool) -> Html:
    """The files of a version that were made from what was asked about, and those that may have been."""
    both = [(path, "yes") for path in node.direct] + [(path, "possibly") for path in node.possible]
    rows: list[tuple[Child, ...]] = list(both if full else both[:ROWS])
    caption = f"Made from it in {words.commit_title(node.repo, node.commit)}"
    return join(table(caption, ("File", "Made from it"), rows, code=(0,)), _left(len(both) - len(rows)))


def _left(more: int) -> Html:
    return el("p", f"… and {more:,} more; the complete list is in the JSON form of this record.") if more else Html("")
