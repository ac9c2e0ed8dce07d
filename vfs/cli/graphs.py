"""What lineage, impact and blame do alike with a graph: its format, where it is written, where it is posted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vfs.cli import output
from vfs.cli.call import Call
from vfs.cli.names import one_line
from vfs.cli.parameters import LOCAL_PATH
from vfs.errors import UsageError
from vfs.journal.render.formats import FORMATS

if TYPE_CHECKING:
    from vfs.journal.graph import Graph
    from vfs.journal.render.about import About
    from vfs.repo.signatures import Judged

# Readable by others, as a file written by a shell would be.
_MODE = 0o644
_BY_NAME = {
    ".json": "json",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".svg": "svg",
    ".html": "html",
    ".htm": "html",
    ".ndjson": "openlineage",
    ".zip": "rocrate",
}


@dataclass(frozen=True)
class Wanted:
    """How a graph is to be shown. `file`: where it is written instead of to standard output; `post`: a URL."""

    format: str
    full: bool
    file: str | None
    post: str | None


def graph_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options --format, --full, --output, --json and --post, passed on as one argument `wanted`."""

    @click.option("--format", "-f", "form", type=click.Choice(FORMATS), help="text by default, or by the name of FILE.")
    @click.option("--full", is_flag=True, help="Every file, instead of the first few of each run.")
    @click.option("-o", "--output", "file", metavar="FILE", type=LOCAL_PATH, help="Write to FILE instead.")
    @click.option("--json", "as_json", is_flag=True, help="As --format json.")
    @click.option("--post", metavar="URL", help="Send the openlineage events to a service, by HTTP.")
    @functools.wraps(command)
    def wrapped(
        *args: Any, form: str | None, full: bool, file: str | None, as_json: bool, post: str | None, **rest: Any
    ) -> Any:
        return command(*args, wanted=_wanted(form, full, file, as_json, post), **rest)

    return wrapped


def _wanted(form: str | None, full: bool, file: str | None, as_json: bool, post: str | None) -> Wanted:
    chosen = "json" if as_json else form
    if post is not None and chosen not in (None, "openlineage"):
        raise UsageError(f"--post: sends events of the format openlineage, not {chosen}")
    if post is not None and file is not None:
        raise UsageError("--post and --output: one of them")
    if post is not None:
        from vfs.journal.post import check_url

        check_url(post)
    if chosen is None:
        chosen = "openlineage" if post is not None else _BY_NAME.get(Path(file or "").suffix.lower(), "text")
    return Wanted(chosen, full, file, post)


def deliver(call: Call, graph: Graph, wanted: Wanted) -> None:
    """Write or post the graph as it was wanted."""
    about = _about(call, graph, wanted)
    if wanted.post is not None:
        _post(graph, wanted.post, about)
    elif wanted.format == "rocrate" and wanted.file is not None and _is_crate(wanted.file):
        _crate(graph, wanted.file, about, full=wanted.full)
    else:
        _write(graph, wanted, about)


def _write(graph: Graph, wanted: Wanted, about: About) -> None:
    from vfs.cli.outfile import write_file
    from vfs.journal.render.formats import encoded, pieces

    text = pieces(graph, wanted.format, full=wanted.full, about=about)
    if wanted.file is None:
        for piece in text:
            output.write(piece.encode("utf-8", "surrogateescape"))
        return
    if write_file(wanted.file, encoded(text), mode=_MODE):
        output.line(f"{len(graph.nodes)} nodes written to {one_line(wanted.file)}")


def _about(call: Call, graph: Graph, wanted: Wanted) -> About:
    from vfs.journal.render.about import about_store

    pages = wanted.format in ("html", "rocrate") and wanted.post is None
    return about_store(call.settings().store, signatures=_signatures(call, graph) if pages else None)


def _signatures(call: Call, graph: Graph) -> tuple[str, ...] | None:
    """A line for each signature of the commit that was asked about, as this user's keys judge it."""
    from vfs.cli.signing import judge_of
    from vfs.journal.graph import CommitNode
    from vfs.repo.commits import read_commit

    root = graph.by_id().get(graph.root)
    if not isinstance(root, CommitNode) or root.problem:
        return None
    stored = read_commit(call.library(), root.repo, root.commit)
    return tuple(_signature(judged) for judged in judge_of(call).all(call.library(), stored))


def _signature(judged: Judged) -> str:
    from vfs.journal.render.report_runs import spoken

    if judged.cause:
        return f"A signature that is not valid: {judged.cause}"
    name = f" ({judged.comment})" if judged.comment else ""
    worth = "is trusted" if judged.standing.value == "trusted" else "is not among the trusted ones"
    return f"Signed on {spoken(judged.time_ns)} with key {judged.key}{name}, which {worth} where this page was written."


def _post(graph: Graph, url: str, about: About) -> None:
    from vfs.journal.post import post_events
    from vfs.journal.render.openlineage import events

    sent = post_events(url, events(graph, about))
    output.line(f"{sent} events sent to {one_line(url)}")


def _is_crate(file: str) -> bool:
    """True for what holds several files: a directory that is there or is named as one, a zip archive."""
    return file.endswith("/") or file.lower().endswith(".zip") or Path(file).is_dir()


def _crate(graph: Graph, file: str, about: About, *, full: bool) -> None:
    from vfs.journal.render.crate import crate_files, write_crate

    write_crate(Path(file), crate_files(graph, about, full=full), mode=_MODE)
    output.line(f"{len(graph.nodes)} nodes written to {one_line(file)}")
