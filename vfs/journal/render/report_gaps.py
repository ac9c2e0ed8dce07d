"""What an audit report does not know, in plain words. Nothing that is missing goes unsaid."""

from __future__ import annotations

from collections.abc import Iterator

from vfs.journal.graph import CommitNode, RunNode
from vfs.journal.render import words
from vfs.journal.render.facts import Facts, code_of
from vfs.journal.render.markup import Html, el, listed, section

# Points in full; a history of a thousand runs without observation is one point and a number.
_POINTS = 30
LIMITS = (
    "No record of this kind shows what a program took from the network, from its own libraries, or from a person at "
    "the keyboard. Names of people and computers are those that the computers gave; only a signature proves them."
)


def gaps(story: Facts) -> Html:
    """The section on what is missing, and on what has to be known besides."""
    points, remarks = _cut(list(_points(story))), _cut(list(_remarks(story)))
    if points:
        note = el("div", el("p", el("strong", "This record is not complete.")), listed(*points), class_="note warn")
    else:
        note = el("div", el("p", el("strong", "No gap is known."), " ", _WHOLE), class_="note good")
    more = [el("p", "It is also good to know:"), listed(*remarks)] if remarks else []
    return section("gaps", "Known gaps", note, *more, el("p", LIMITS))


_WHOLE = "For every run on this page each file that it opened through vfs was seen."


def _cut(points: list[str]) -> list[str]:
    left = len(points) - _POINTS
    return [*points[:_POINTS], f"… and {left:,} more points of this kind, further away."] if left > 0 else points


def _points(story: Facts) -> Iterator[str]:
    yield from (f"{words.plain(note)}." for note in story.graph.notes)
    for commit in story.commits():
        yield from _commit(story, commit)
    for run in story.nearest_runs():
        yield from (f"{_title(story, run)}: {said}" for said in _run(run))


def _remarks(story: Facts) -> Iterator[str]:
    for run in story.nearest_runs():
        yield from (f"{_title(story, run)}: {said}" for said in _besides(run))


def _commit(story: Facts, commit: CommitNode) -> Iterator[str]:
    title = words.commit_title(commit.repo, commit.commit)
    if commit.problem:
        yield f"{title} cannot be read, so what it came from is not known: {words.plain(commit.problem)}."
    elif commit.more:
        yield f"{title}: its history goes on; this page was asked to stop there."
    elif story.graph.direction == "up" and story.maker(commit) is None and not _passes_on(story, commit):
        yield f"{title}: nothing is recorded of how it was made."


def _passes_on(story: Facts, commit: CommitNode) -> bool:
    """True when what made a commit is no part of the question: it only passes on what was made earlier."""
    return bool(story.given(commit)) or any(target.id == commit.id for _, target, _ in story.carried())


def _title(story: Facts, run: RunNode) -> str:
    made = story.made(run)
    what = " and ".join(words.commit_title(node.repo, node.commit) for node in made)
    return f"The {words.plain(run.kind)} that made {what}" if what else f"A {words.plain(run.kind)}"


def _run(run: RunNode) -> Iterator[str]:
    if run.exit_code:
        yield f"its program reported a failure (status {run.exit_code})."
    if run.gaps:
        reasons = "; ".join(
            f"{words.plain(reason)} ({count:,})" for reason, count in (run.record.reasons if run.record else ())
        )
        why = f": {reasons}" if reasons else ""
        yield f"{words.counted(run.gaps, 'observation')} lost{why}; it may have read more."
    if run.level == "none" and run.kind in ("run", "mount"):
        yield "which files it read was not observed; it may have read all that it was given."
    if any(code.dirty for code in code_of(run.record)):
        yield "its program text had changes that are in no git commit, so it may not be kept anywhere."


def _besides(run: RunNode) -> Iterator[str]:
    if run.kind == "put":
        yield "files were copied in from a computer. Where they were before is not recorded."
    if run.record and run.record.outside:
        outside = words.counted(len({item.path for item in run.record.outside}), "file")
        yield f"it read {outside} outside of the store too. The names are listed, the content is not kept."
