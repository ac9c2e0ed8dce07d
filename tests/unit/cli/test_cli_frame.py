"""The frame: exit codes and one line for every error, in a process of its own where the process matters."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import time

import click
import pytest

from vfs import errors
from vfs.cli import frame
from vfs.cli.call import Call
from vfs.cli.output import ReaderGone

COMMAND = (sys.executable, "-m", "vfs.cli.main")
# The promise is 0.2 s on an idle machine; what is measured is the processor's time, which others cannot lengthen.
HELP_SECONDS = 0.2


def run(*words: str | bytes, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **(env or {})}
    return subprocess.run([*COMMAND, *words], capture_output=True, timeout=60, check=False, env=environment)


def failing_with(error: BaseException, call: Call | None = None) -> int:
    def fail() -> int:
        raise error

    return frame.guard(call or Call(), fail)


def all_errors(root: type[errors.VfsError]) -> list[type[errors.VfsError]]:
    return [root, *(found for child in root.__subclasses__() for found in all_errors(child))]


@pytest.mark.parametrize("cls", all_errors(errors.VfsError), ids=lambda cls: cls.__name__)
def test_every_error_class_is_one_line_and_its_exit_code(
    cls: type[errors.VfsError], capfd: pytest.CaptureFixture[str]
) -> None:
    assert failing_with(cls("photos: no\nsuch thing \x1b[2J")) == cls.exit_code
    assert capfd.readouterr().err == "vfs: photos: no\\nsuch thing \\x1b[2J\n"


def test_anything_else_is_a_bug_without_a_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert failing_with(ZeroDivisionError("division by zero")) == 70
    said = capfd.readouterr().err
    assert said.startswith("vfs: bug: ZeroDivisionError: division by zero;") and said.count("\n") == 1
    assert "Traceback" not in said


def test_debug_shows_the_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    assert failing_with(errors.NotFound("x: gone"), Call(debug=True)) == 1
    said = capfd.readouterr().err
    assert "Traceback" in said and said.endswith("vfs: x: gone\n")


def test_ctrl_c_says_what_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        assert failing_with(KeyboardInterrupt(), Call(kept="nothing was committed")) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capfd.readouterr().err == "vfs: interrupted; nothing was committed\n"


def test_a_reader_that_went_away_is_no_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert failing_with(ReaderGone()) == 141
    assert capfd.readouterr().err == ""


def test_out_of_memory_is_said_so(capfd: pytest.CaptureFixture[str]) -> None:
    assert failing_with(MemoryError()) == 1
    assert capfd.readouterr().err == "vfs: out of memory\n"


def test_an_exit_of_click_keeps_its_code() -> None:
    assert failing_with(click.exceptions.Exit(17)) == 17


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lss"], "no such command 'lss'; did you mean ls?\n"),
        (["frobnicate"], "no such command 'frobnicate'; see 'vfs --help'"),
        (["ls", "a", "b"], "got unexpected extra argument"),
        (["put"], "missing argument 'REPO[@BRANCH]'"),
        (["log", "photos", "-n", "none"], "'none' is not a valid integer range"),
        (["tree", "--depht", "1", "x"], "--depth"),
        (["ls", "--store", "file:///x", "photos"], "--store: an option of vfs itself"),
        (["ls", "photos:a/../b"], "'..': not a file name"),
        (["ls", "ph otos"], "repo 'ph otos': not a name"),
        (["ls", b"photos@\xff"], "revision '\\xff': not a name"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_wrong_arguments_are_one_helpful_line(words: list[str | bytes], said: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(b"vfs: ") and done.stderr.count(b"\n") == 1
    assert said in done.stderr.decode()
    assert done.stdout == b""


def test_no_words_show_the_help() -> None:
    done = run()
    assert done.returncode == 2
    assert b"First steps" in done.stderr


def test_version() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout[:4]) == (0, b"vfs ")


def test_undecodable_words_arrive_whatever_the_locale() -> None:
    word = b"photos@\xff\xc3\xa9"
    for locale in ("C", "C.UTF-8"):
        done = run("ls", word, env={"LC_ALL": locale})
        assert "revision '\\xffé'" in done.stderr.decode("utf-8", "backslashreplace"), locale


@pytest.mark.parametrize("target", ["/dev/full", "closed"])
def test_output_that_cannot_be_written(target: str) -> None:
    if target == "closed":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(target, os.O_WRONLY)
    try:
        words = [*COMMAND, "completion", "bash"]
        done = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    finally:
        os.close(writer)
    if target == "closed":
        assert (done.returncode, done.stderr) == (141, b"")
    else:
        assert (done.returncode, done.stderr) == (1, b"vfs: standard output: No space left on device\n")


def test_streams_that_the_caller_closed_do_no_harm() -> None:
    for streams in (">&-", "2>&-", "<&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["bash", "-c", f'"$@" {streams}', "-", *COMMAND, "completion", "bash"],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), streams


def test_help_is_quick_and_imports_nothing_slow() -> None:
    words = [sys.executable, "-X", "importtime", "-m", "vfs.cli.main", "--help"]
    done = subprocess.run(words, capture_output=True, timeout=60, check=True)
    imported = {line.rsplit(b"|", 1)[-1].strip().decode() for line in done.stderr.splitlines()}
    slow = {"boto3", "trio", "sqlite_utils", "rich", "msgspec", "blake3", "vfs.repo", "vfs.model"}
    assert not slow & imported
    assert statistics.median(_seconds("--help") for _ in range(5)) < HELP_SECONDS


def _seconds(*words: str) -> float:
    before, start = os.times(), time.monotonic()
    run(*words)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return min(used, time.monotonic() - start)
