"""The audit report: one self-contained HTML page on one commit, for a person who is no data scientist.

No script, no request, no font from elsewhere; a content security policy says so to the browser. A page depends on
the commit and its record alone, so that the same question gives the same page.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from vfs import __version__
from vfs.journal.graph import CommitNode, Graph, RunNode
from vfs.journal.render import words
from vfs.journal.render.about import About
from vfs.journal.render.facts import Facts, program_name
from vfs.journal.render.markup import Child, Html, el, facts, join, section, table
from vfs.journal.render.report_answers import consequences, versions
from vfs.journal.render.report_gaps import gaps
from vfs.journal.render.report_picture import picture
from vfs.journal.render.report_runs import runs, spoken
from vfs.journal.render.report_style import STYLE, policy
from vfs.model.names import printable

_STEP = 1000
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def render_html(graph: Graph, *, about: About, full: bool = False) -> str:
    """The page, as one document; of long lists the first 50 rows, or all when `full`."""
    story = Facts(graph)
    root = story.root()
    title = _title(graph, root)
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy()),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("title", f"{title}: audit report"),
        el("style", Html(STYLE)),
    )
    body = el("body", _header(graph, root, title), el("main", *_sections(story, root, about, full=full)), _footer())
    return f"<!DOCTYPE html>\n{el('html', head, body, lang='en')}\n"


def _title(graph: Graph, root: CommitNode | None) -> str:
    name = words.commit_title(root.repo, root.commit) if root else "lineage"
    return f"{name}:{printable(graph.path)}" if graph.path else name


def _header(graph: Graph, root: CommitNode | None, title: str) -> Html:
    message = words.plain(root.message.strip().partition("\n")[0]) if root else ""
    question = {"impact": "Audit report: what depends on", "blame": "Audit report: the versions of"}.get(
        graph.subject, "Audit report: where it came from" if graph.direction == "up" else "Audit report: what became of"
    )
    return el("header", el("p", question, class_="kind"), el("h1", title), el("p", message, class_="message"))


def _sections(story: Facts, root: CommitNode | None, about: About, *, full: bool) -> list[Html]:
    graph = story.graph
    return [
        _summary(story, root),
        _glance(story, root, about),
        versions(story, full=full) if graph.versions else Html(""),
        consequences(story, full=full) if graph.direction == "down" else Html(""),
        gaps(story),
        picture(graph),
        runs(story, full=full),
        _verify(root, story),
        _signatures(about),
        _words(),
    ]


def _summary(story: Facts, root: CommitNode | None) -> Html:
    if root is None:
        return Html("")
    holds = (
        f"It holds {words.counted(root.entries, 'name')} (files, directories and links), {_size(root.size)}. "
        if root.time_ns
        else ""
    )
    maker = story.maker(root)
    lead = (
        f"This page is about one version of the data set “{words.plain(root.repo)}”. {holds}{_how(story, root, maker)}"
    )
    return el("p", lead, class_="lead")


def _how(story: Facts, root: CommitNode, maker: RunNode | None) -> str:
    if story.graph.direction == "down":
        others = len({node.id for node in story.commits()}) - 1
        verb = "was made from it, or carries" if others == 1 else "were made from it, or carry"
        return f"{words.counted(others, 'other version')} of data in this store {verb} it on."
    if maker is None:
        return f"It was recorded on {spoken(root.time_ns)} by {words.plain(root.author)}." if root.time_ns else ""
    who = f"{words.plain(maker.user)}, on the computer {words.plain(maker.host)}"
    means = (
        f"the program {program_name(maker)}" if maker.kind == "run" else f"the command vfs {words.plain(maker.kind)}"
    )
    return f"It was made on {spoken(maker.ended_ns or root.time_ns)} by {who}, with {means}{_from(story, maker)}."


def _from(story: Facts, maker: RunNode) -> str:
    read = [
        f"{words.counted(len(node.files), 'file')} of “{words.plain(node.repo)}”"
        for node in story.read(maker)
        if node.files
    ]
    if not read:
        return ""
    return ", from " + (" and ".join([", ".join(read[:-1]), read[-1]]) if len(read) > 1 else read[0])


def _size(count: int) -> str:
    figure, unit = float(count), 0
    while figure >= _STEP and unit < len(_UNITS) - 1:
        figure, unit = figure / _STEP, unit + 1
    return f"{count:,} bytes" if not unit else f"{figure:.1f} {_UNITS[unit]}"


def _glance(story: Facts, root: CommitNode | None, about: About) -> Html:
    if root is None:
        return Html("")
    asked = story.graph.path
    return section(
        "glance",
        "At a glance",
        facts(
            ("Data set", root.repo),
            ("File or directory", el("code", asked) if asked else ""),
            ("Version", el("code", root.commit.hex())),
            ("What for", join(*(el("div", line) for line in root.message.strip().splitlines()))),
            ("Recorded", spoken(root.time_ns) if root.time_ns else ""),
            ("By", root.author),
            ("Holds", f"{words.counted(root.entries, 'name')}, {_size(root.size)}" if root.time_ns else ""),
            ("Still found in", ", ".join(root.refs) if root.refs else ""),
            ("Kept in", el("code", about.store) if about.store else ""),
            ("Steps recorded", f"{len(story.runs()):,}"),
        ),
    )


def _verify(root: CommitNode | None, story: Facts) -> Html:
    if root is None:
        return Html("")
    rows: list[tuple[Child, ...]] = [(command, means) for command, means in _steps(root, story)]
    return section(
        "verify", "How to verify", el("p", _VERIFY), table("Commands", ("Type", "What it does"), rows, code=(0,))
    )


def _steps(root: CommitNode, story: Facts) -> Iterator[tuple[str, str]]:
    revision = f"{words.plain(root.repo)}@{root.commit.hex()}"
    yield (
        f"vfs verify {revision}",
        "reads every byte of this version and compares it with the fingerprints it was stored under",
    )
    yield from _steps_of_path(revision, story.graph)
    maker = story.maker(root)
    if maker is not None and maker.kind == "run":
        yield f"vfs rerun {revision} --verify", "runs the program again on the same files and compares what it writes"


def _steps_of_path(revision: str, graph: Graph) -> Iterator[tuple[str, str]]:
    path = graph.path or b""
    if printable(path).encode() != path:
        # What cannot be shown cannot be typed either.
        return
    asked = shlex.quote(f"{revision}:{printable(path)}") if path else revision
    direction = " --down" if graph.subject == "lineage" and graph.direction == "down" else ""
    yield f"vfs {graph.subject}{direction} {asked} --format json", "gives this record again, complete, for programs"
    if path:
        means = "prints the fingerprint, where it is a file, with a tool that is not part of vfs"
        yield f"vfs cat {asked} | b3sum", means


_VERIFY = (
    "The long number called version is a fingerprint of everything this page says of this version: its files, who made "
    "it, from what, and how. Whoever changes any of it changes the number. So compare the number on this page with one "
    "that you were given in another way; then let a computer with vfs and access to the store check the rest."
)


def _signatures(about: About) -> Html:
    if about.signatures:
        said = el("ul", *(el("li", line) for line in about.signatures))
    elif about.signatures is None:
        said = el("p", "Signatures were not looked for when this page was written.")
    else:
        said = el("p", "This version carries no signature: nobody has vouched for it with a key.")
    return section("signatures", "Signatures", said)


def _words() -> Html:
    return section(
        "words",
        "Words on this page",
        facts(
            ("Data set", "files that belong together, kept with all their earlier versions (a “repo”)"),
            ("Version", "the state of a data set at one time; it can never change (a “commit”)"),
            ("Run", "one use of a program, from its start to its end, watched by vfs"),
            ("Fingerprint", "a number computed from content; two contents that differ never have the same one"),
            ("Read", "opened by the program that ran, as seen by the computer; not merely handed to it"),
        ),
    )


def _footer() -> Html:
    return el(
        "footer", el("p", f"Written by vfs {__version__}, the versioned file system, from the record in the store.")
    )
