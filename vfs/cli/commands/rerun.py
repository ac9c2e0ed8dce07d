"""`vfs rerun`: a run once more, and what it writes beside what it wrote."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from vfs.cli import options, output, progress
from vfs.cli.call import Call
from vfs.cli.commits import created
from vfs.cli.names import named, one_line, raw, shown
from vfs.cli.parameters import BRANCH, INPUT, LOCAL_PATH, REVISION
from vfs.cli.values import commit_json, counted, input_json
from vfs.errors import Refused, UsageError
from vfs.model.revision import Revision
from vfs.repo.resolve import resolve
from vfs.run.drift import Drift
from vfs.run.outcome import Outcome, Verdict
from vfs.run.plan import Plan, parse_onto, plan, title
from vfs.run.rerun import Rerun, own_branch, rerun

# Standard output belongs to the report, so the command gets standard error for it.
_STDERR = 2
# Identical outputs that are named without --full.
_SHOWN = 10


@click.command("rerun")
@click.argument("revision", metavar="COMMIT", type=REVISION)
@click.option("--verify", is_flag=True, help="Only compare, commit nothing; exit with 1 when an output differs.")
@click.option(
    "--onto", "onto", type=INPUT, multiple=True, metavar="[NAME=]REV",
    help="A revision instead of the input of its repo, or of the input NAME; may be given several times.",
)  # fmt: skip
@click.option(
    "-o", "--output", "target", type=BRANCH, metavar="REPO[@BRANCH]",
    help="Where to commit; by default a branch rerun-COMMIT beside the commit.",
)  # fmt: skip
@click.option("--cwd", "directory", type=LOCAL_PATH, metavar="DIR", help="Run it in DIR instead of where it ran.")
@click.option(
    "--environment", type=click.Choice(("recorded", "present")), default="recorded", show_default=True,
    help="Which values the recorded variables get.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Refuse to run when program, code or environment are not the same.")
@click.option("--full", is_flag=True, help="Name every identical output.")
@options.message
@options.author
@options.signing
@options.as_json
@click.argument("command", metavar="[-- CMD...]", type=click.Path(), nargs=-1)
@click.pass_context
def rerun_command(
    context: click.Context,
    revision: Revision,
    verify: bool,
    onto: tuple[str, ...],
    target: Revision | None,
    directory: str | None,
    environment: str,
    strict: bool,
    full: bool,
    message: str,
    author: str | None,
    as_json: bool,
    command: tuple[str, ...],
) -> None:
    """Run again what made a commit, and compare.

    Same inputs, same command, same directory, recorded environment. Each output is identical, different (with the
    first byte that is), missing, extra, or of another kind or mode; times are not compared. What it writes is
    committed to -o, else to a branch of its own. What the program prints goes to standard error. vfs exits with
    the status of the program.

    \b
    Examples:
      vfs rerun thumbs --verify
      vfs rerun thumbs@4c95bfb5c49e --onto photos@v2 -o thumbs
      vfs rerun report --strict --verify -- sh report.sh
    """
    if verify and target is not None:
        raise UsageError("rerun: --verify commits nothing, so -o has no meaning with it")
    call = context.ensure_object(Call)
    library = call.library()
    found = plan(
        library,
        resolve(library, revision),
        onto=[parse_onto(text) for text in onto],
        command=[raw(word) for word in command],
        cwd=raw(directory) if directory is not None else None,
        restore=environment == "recorded",
    )
    _say_drifts(found, strict=strict)
    with progress.shown(f"rerun {revision}") as watcher:
        done = rerun(
            library,
            found,
            output=target,
            verify=verify,
            message=message,
            author=author,
            progress=watcher,
            on_place=lambda place: _say_kept(call, place),
            stdout=_STDERR,
        )
    call.kept = ""
    branch = target.branch if target is not None else own_branch(found.stored)
    if as_json:
        output.document(_json(found, done, branch))
    _report(found, done, branch, told=as_json, full=full)
    context.exit(done.result.exit_code or (1 if verify and not done.identical else 0))


def _say_kept(call: Call, place: Path) -> None:
    call.kept = f"nothing was committed; what the command wrote is in {place}"


def _say_drifts(found: Plan, *, strict: bool) -> None:
    for drift in found.drifts:
        output.warn(f"{drift.text}{'; the recorded value is used' if drift.restored else ''}")
    count = sum(not drift.restored for drift in found.drifts)
    if strict and count:
        raise Refused(f"{title(found.stored)}: {counted(count, 'thing')} not as at the first run; it was not started")


def _report(found: Plan, done: Rerun, branch: str, *, told: bool, full: bool) -> None:
    result = done.result
    for text in result.warnings:
        output.warn(text)
    if result.leftovers:
        output.warn(f"{counted(result.leftovers, 'process')} outlived the command and were ended")
    if result.exit_code:
        kept = f"; what it wrote is kept in {one_line(str(result.kept))}" if result.kept is not None else ""
        output.complain(
            f"rerun: the command ended with status {result.exit_code}; nothing was compared or committed{kept}"
        )
        return
    if not told:
        _print(done.outcomes, full=full)
    if result.repo_created and result.stored is not None:
        output.note(f"repo {result.stored.commit.repo} created")
    if result.stored is not None:
        output.note(created(result.stored, branch))


def _print(outcomes: Sequence[Outcome], *, full: bool) -> None:
    left = len(outcomes) if full else _SHOWN
    for outcome in outcomes:
        if outcome.verdict is Verdict.IDENTICAL:
            left -= 1
            if left < 0:
                continue
        detail = f"  ({outcome.detail})" if outcome.detail else ""
        output.line(f"{outcome.verdict.value.ljust(9)}  {shown(outcome.path)}{detail}")
    if left < 0:
        output.line(f"identical  … and {-left} more")
    counts = Counter(outcome.verdict for outcome in outcomes)
    told = [f"{counts[verdict]} {_WORDS[verdict]}" for verdict in Verdict if counts[verdict]]
    output.line(f"{counted(len(outcomes), 'output')}: {', '.join(told) or 'none then, and none now'}")


_WORDS = {verdict: verdict.value for verdict in Verdict} | {
    Verdict.KIND: "of another kind",
    Verdict.MODE: "with other attributes",
}


def _json(found: Plan, done: Rerun, branch: str) -> dict[str, Any]:
    result = done.result
    counts = Counter(outcome.verdict for outcome in done.outcomes)
    return {
        "repo": found.stored.commit.repo,
        "commit": found.stored.id.hex(),
        "command": [word.decode("utf-8", "replace") for word in found.command],
        **named("cwd", found.cwd),
        "inputs": [{**input_json(item.commit()), "replaced": item.name in found.replaced} for item in found.given],
        "differs_now": [_drift_json(drift) for drift in found.drifts],
        "exit_code": result.exit_code,
        "identical": done.identical,
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "outputs": [_outcome_json(outcome) for outcome in done.outcomes],
        "made": {**commit_json(result.stored), "branch": branch} if result.stored is not None else None,
        **(named("kept", os.fsencode(result.kept)) if result.kept is not None else {"kept": None}),
    }


def _drift_json(drift: Drift) -> dict[str, Any]:
    return {"about": drift.about, "text": drift.text, "restored": drift.restored}


def _outcome_json(outcome: Outcome) -> dict[str, Any]:
    return {
        **named("path", outcome.path),
        "verdict": outcome.verdict.value,
        "first_byte": outcome.offset,
        "detail": outcome.detail,
    }
