"""The frame around every call: words in, one exit code out, one line for each error, never a traceback.

Exit codes: those of `vfs.errors`, 2 for wrong arguments, 130 after Ctrl-C, 141 when the reader of
standard output went away, 70 for a bug; `vfs run` exits with the child's status.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

import click

from vfs.cli import output
from vfs.cli.call import Call
from vfs.cli.root import COMPLETE_VARIABLE, root
from vfs.errors import VfsError

USAGE = 2
BUG = 70
INTERRUPTED = 130
PIPE_CLOSED = 141
_GLOBAL_OPTIONS = ("--store", "--state-dir", "--cache-dir", "--debug", "--version")


def run(words: Sequence[str]) -> int:
    """Run one call of `vfs` with `words` (without the program's name); its exit code."""
    _open_streams()
    call = Call()
    if COMPLETE_VARIABLE in os.environ:
        from vfs.cli.completion import answer

        return answer(os.environ[COMPLETE_VARIABLE], call)
    return _finish(call, guard(call, lambda: _invoke(call, decoded(words))))


def _open_streams() -> None:
    """Give each standard stream that the caller closed a descriptor, or the first file opened would get its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))


def decoded(words: Sequence[str]) -> list[str]:
    """`words` as UTF-8 with undecodable bytes as surrogates, whatever the locale decoded them with."""
    return [os.fsencode(word).decode("utf-8", "surrogateescape") for word in words]


def _invoke(call: Call, words: list[str]) -> int:
    call.words = tuple(words)
    try:
        with root.make_context("vfs", list(words), obj=call) as context:
            result = root.invoke(context)
    finally:
        call.close()
    return result if isinstance(result, int) else 0


def guard(call: Call, body: Callable[[], int]) -> int:
    """What `body` returns, or the exit code of the error it ends with, which is told in one line."""
    try:
        return body()
    except click.exceptions.Exit as done:
        return done.exit_code
    except output.ReaderGone:
        return PIPE_CLOSED
    except Exception as error:
        return _failed(call, error)
    except KeyboardInterrupt as interrupt:
        return _interrupted(call, getattr(interrupt, "__notes__", ()))


def _failed(call: Call, error: Exception) -> int:
    if call.debug and not isinstance(error, click.ClickException):
        traceback.print_exc()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return USAGE
    if isinstance(error, click.UsageError):
        output.complain(_usage_line(error))
        return USAGE
    if isinstance(error, click.Abort):
        output.complain("not confirmed, nothing was changed")
        return 1
    if isinstance(error, VfsError):
        output.complain(str(error))
        return error.exit_code
    if isinstance(error, click.ClickException):
        output.complain(error.format_message())
        return error.exit_code
    return _bug(call, error)


def _usage_line(error: click.UsageError) -> str:
    text = " ".join(error.format_message().split()).rstrip(".")
    text = text[:1].lower() + text[1:]
    option = getattr(error, "option_name", "")
    if option in _GLOBAL_OPTIONS:
        return f"{option}: an option of vfs itself, give it before the command: vfs {option} …"
    path = error.ctx.command_path if error.ctx is not None else "vfs"
    command = path.removeprefix("vfs").lstrip()
    help_hint = "" if text.endswith("?") else f"; see '{path} --help'"
    return f"{command}{': ' if command else ''}{text}{help_hint}"


def _bug(call: Call, error: Exception) -> int:
    if isinstance(error, MemoryError):
        output.complain("out of memory")
        return 1
    hint = "" if call.debug else "; run again as 'vfs --debug …' for the details to report"
    output.complain(f"bug: {type(error).__name__}: {error}{hint}")
    return BUG


def _interrupted(call: Call, notes: Sequence[str]) -> int:
    # A second Ctrl-C while threads wind down ends the process at once and in silence.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    output.complain("; ".join(["interrupted", *([call.kept] if call.kept else []), *notes]))
    return INTERRUPTED


def _finish(call: Call, code: int) -> int:
    try:
        output.flush()
    except output.ReaderGone:
        code = code or PIPE_CLOSED
    except VfsError as error:
        output.complain(str(error))
        code = code or error.exit_code
    if code:
        output.abandon()
    sys.stderr.flush()
    return code
