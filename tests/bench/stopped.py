"""What ends a cell or the whole run, and the undoing of what was started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path


class BenchError(Exception):
    """A cell cannot be measured; the text says why and ends up in the table."""


def finish(process: subprocess.Popen[bytes], *, seconds: float = 10.0) -> None:
    """End one process that this run started: asked first, then killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(seconds)


def run(
    words: list[str], *, timeout: float = 900, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run one command; BenchError with the end of what it said when it fails or takes over `timeout` seconds."""
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, env=env, cwd=cwd, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{words[0]}: not done within {timeout:g} s") from error
    except OSError as error:
        raise BenchError(f"{words[0]}: {error.strerror}") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["nothing said"]
        raise BenchError(f"{Path(words[0]).name} {' '.join(words[1:3])}: exited {done.returncode}: {said[0]}")
    return done


def unmount(point: Path) -> None:
    """Take away whatever is mounted there, with force in the end."""
    for words in (["fusermount3", "-u"], ["umount"], ["fusermount3", "-uz"], ["umount", "-l"]):
        if not is_mount(point):
            return
        with contextlib.suppress(subprocess.TimeoutExpired, OSError):
            subprocess.run([*words, str(point)], capture_output=True, timeout=20, check=False)


def is_mount(point: Path) -> bool:
    """Whether something is mounted there, asked of the kernel's table: a dead mount answers no stat.

    Bytes: mounts of others may have names that are no text.
    """
    return b" %s " % os.fsencode(point) in Path("/proc/self/mountinfo").read_bytes()


@contextlib.contextmanager
def undone(*steps: Callable[[], None]) -> Iterator[None]:
    """Run all steps at the end, whatever happens; TERM ends the run as Ctrl-C does."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with contextlib.ExitStack() as stack:
            for step in steps:
                stack.callback(step)
            yield
    finally:
        signal.signal(signal.SIGTERM, before)
