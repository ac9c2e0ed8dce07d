"""The runs of an audit report: who ran what, on which files, with which result."""

from __future__ import annotations

import time

from vfs.journal.graph import CommitNode, FilesNode, RunNode
from vfs.journal.render import words
from vfs.journal.render.facts import Facts, ended, observed, outputs, program
from vfs.journal.render.markup import Child, Html, el, facts, join, section, table
from vfs.model.ids import Digest, short
from vfs.model.names import printable
from vfs.model.record import Code

# Files of a group, and processes, shown to a person; complete lists are in the JSON.
ROWS = 50
# Runs in full, those nearest to the commit.
RUNS = 40
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_KINDS = {
    "run": "A program was run",
    "put": "Files were copied in",
    "mount": "Files were changed in a mounted directory",
    "merge": "Two versions were merged",
    "rm": "Files were removed",
    "revert": "An earlier change was undone",
    "reset": "An earlier state was restored",
}


def spoken(time_ns: int) -> str:
    """A time for a person anywhere: `3 March 2026, 12:00:05 UTC`."""
    moment = time.gmtime(time_ns // 1_000_000_000)
    return f"{moment.tm_mday} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year}, {time.strftime('%H:%M:%S', moment)} UTC"


def runs(story: Facts, *, full: bool) -> Html:
    """The section on runs, those first that lie nearest to the commit; all when `full`."""
    found = story.nearest_runs()
    shown = found if full else found[:RUNS]
    left = len(found) - len(shown)
    rest = (
        [el("p", f"{left:,} runs further away are left out here; they are in the JSON form of this record.")]
        if left
        else []
    )
    if not found:
        rest.append(el("p", "No run is recorded: nothing says how this version was made."))
    limit = None if full else ROWS
    return section("runs", "Step by step, the nearest first", *(_run(story, run, limit) for run in shown), *rest)


def _run(story: Facts, run: RunNode, limit: int | None) -> Html:
    made = story.made(run)
    title = _KINDS.get(run.kind, words.plain(run.kind))
    what = ", ".join(words.commit_title(node.repo, node.commit) for node in made)
    parts = [el("h3", f"{title} → {what}" if what else title), _facts(run, made), _scope(story, run)]
    parts.extend(_group(node, limit) for node in story.read(run))
    parts.extend(_given(run, node) for node in story.given(run))
    for node in made:
        parts.append(_written(run, node, limit))
    parts.append(_processes(run, limit))
    parts.append(_outside(run, limit))
    return join(*parts)


def _facts(run: RunNode, made: list[CommitNode]) -> Html:
    took = words.lasted(run)
    found = program(run)
    record = run.record
    return facts(
        ("Command", el("code", words.cut(words.command_line(run.command), 4000)) if run.command else ""),
        ("Run by", f"{run.user}, on the computer {run.host}"),
        ("From", spoken(run.started_ns)),
        ("Until", spoken(ended(run, made)) + (f" ({took})" if took else "")),
        ("Result", "done, without error" if not run.exit_code else f"failed, status {run.exit_code}"),
        ("In directory", el("code", run.cwd) if run.cwd else ""),
        ("Program", _program(found.exe, found.exe_digest) if found and found.exe else ""),
        ("Program text", join(*(_code(code) for code in record.code)) if record else ""),
        ("Container image", record.image if record else ""),
        ("Settings", _environment(record.environment) if record else ""),
        ("Observed by", _observed(run)),
        ("vfs version", run.version),
    )


def _scope(story: Facts, run: RunNode) -> Html:
    """Which of the inputs follow, where they are not simply all."""
    shown = sum(len(node.files) for node in story.read(run))
    if run.scope == "own" and shown < run.reads:
        said = (
            f"Shown are the {shown:,} of {words.counted(run.reads, 'file')} that what was asked about depends on: what "
            "the process that wrote it, and those that fed it, had read by then."
        )
        return el("p", said)
    return (
        el("p", f"All inputs of the run are shown: {words.plain(run.reason)}.")
        if run.reason and run.reads
        else Html("")
    )


_OBSERVED = {
    "open": "each opening of a file, as a request",
    "fanotify": "each opening of a file, reported by the kernel",
    "none": "nothing: reads were not observed",
}


def _observed(run: RunNode) -> str:
    """How reads were seen; nothing to say of a put and its kin, which read no file of the store."""
    if run.level == "none" and run.kind not in ("run", "mount"):
        return ""
    return _OBSERVED.get(run.level, run.level)


def _program(path: bytes, digest: Digest) -> Html:
    shown = el("code", path)
    return join(shown, " ", el("span", f"fingerprint {digest.hex()}", class_="fingerprint")) if digest else shown


def _code(code: Code) -> Html:
    version = f", git commit {code.commit}" if code.commit else ", in no git work tree"
    branch = f" on branch {code.branch}" if code.branch else ""
    changed = ", with changes that were not committed" if code.dirty else ""
    return el("div", el("code", code.path), f"{version}{branch}{changed}")


def _environment(variables: tuple[tuple[str, str], ...]) -> Html:
    return join(*(el("div", el("code", f"{name}={words.cut(value, 300)}")) for name, value in variables))


def _files(caption: str, files: list[tuple[bytes, Digest]], limit: int | None) -> Html:
    shown = files if limit is None or len(files) == limit + 1 else files[:limit]
    rows: list[tuple[Child, ...]] = [(path, digest.hex()) for path, digest in shown]
    more = len(files) - len(shown)
    rest = el("p", f"… and {more:,} more; the complete list is in the JSON form of this record.") if more else Html("")
    return join(table(caption, ("File", "Fingerprint (BLAKE3)"), rows, code=(0, 1)), rest)


def _group(node: FilesNode, limit: int | None) -> Html:
    title = words.commit_title(node.repo, node.commit)
    parts = (
        [_files(f"Read: {words.counted(len(node.files), 'file')} of {title}", list(node.files), limit)]
        if node.files
        else []
    )
    if node.listed:
        parts.append(el("p", f"It listed {_names(node.listed, 'directory', 'directories')} of {title}."))
    if node.absent:
        parts.append(el("p", f"It looked for {_names(node.absent, 'name', 'names')} that {title} does not have."))
    return join(*parts)


def _names(names: tuple[bytes, ...], one: str, many: str) -> str:
    shown = ", ".join(printable(name) or "the top" for name in names[:5])
    more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
    return f"{len(names):,} {one if len(names) == 1 else many} ({shown}{more})"


def _given(run: RunNode, node: CommitNode) -> Html:
    title = words.commit_title(node.repo, node.commit)
    said = "and read nothing of it" if observed(run) else "and may have read any of it"
    return el("p", f"It was given {title}, {said}.")


def _written(run: RunNode, node: CommitNode, limit: int | None) -> Html:
    made = outputs(run)
    files = [item for item in made if item[1]]
    if not made:
        return Html("")
    others = len(made) - len(files)
    note = f" ({words.counted(others, 'other change')}: directories, links, removals)" if others else ""
    return _files(
        f"Written: {words.counted(len(files), 'file')} of {words.commit_title(node.repo, node.commit)}{note}",
        files,
        limit,
    )


def _processes(run: RunNode, limit: int | None) -> Html:
    processes = run.record.processes if run.record else ()
    if not processes:
        return Html("")
    rows: list[tuple[Child, ...]] = [
        (str(process.pid), words.cut(words.command_line(process.argv), 300), process.user, spoken(process.started_ns),
         short(process.exe_digest) if process.exe_digest else "not known")
        for process in processes[:limit]
    ]  # fmt: skip
    more = len(processes) - len(rows)
    rest = el("p", f"… and {more:,} more.") if more else Html("")
    heads = ("Number", "Command", "User", "Started", "Program")
    caption = f"Took part: {words.counted(len(processes), 'process')}"
    return join(table(caption, heads, rows, code=(1, 4)), rest)


def _outside(run: RunNode, limit: int | None) -> Html:
    paths = sorted({item.path for item in run.record.outside}) if run.record else []
    if not paths:
        return Html("")
    shown: list[tuple[Child, ...]] = [(path,) for path in paths[:limit]]
    more = len(paths) - len(shown)
    rest = el("p", f"… and {more:,} more.") if more else Html("")
    return join(
        table(f"Also read, outside of the store: {words.counted(len(paths), 'file')}", ("File",), shown, code=(0,)),
        rest,
    )
