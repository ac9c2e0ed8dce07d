"""A writer that says what it made durable, and the check of that after a crash.

    cd tests && python -m stress.durable --seed 3 --log /tmp/log DIRECTORY

Before each change the log says what a file will hold, after its fsync that it does. It ends with the first error.
The log lies outside of what crashes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from pathlib import Path
from typing import TextIO

NAMES = 12


def content(seed: int) -> bytes:
    """The bytes that a log line stands for."""
    return random.Random(seed).randbytes(seed % 60_000)


class Writer:
    """Works in the directory `top`; one line of `log` before and one after each change."""

    def __init__(self, top: Path, log: TextIO) -> None:
        self._top = top
        self._log = log

    def _say(self, word: str, name: str, seed: int) -> None:
        self._log.write(json.dumps([word, name, seed]) + "\n")
        self._log.flush()

    def replace(self, name: str, seed: int) -> None:
        """A new file takes the name of the old one, both before its directory is synced."""
        self._write(self._top / f".{name}", seed)
        self._say("begin", name, seed)
        (self._top / f".{name}").rename(self._top / name)
        self._sync_names()
        self._say("done", name, seed)

    def move(self, name: str, seed: int) -> None:
        """Written under another name, linked to its own, which must be free."""
        self._say("begin", name, 0)
        (self._top / name).unlink(missing_ok=True)
        self._sync_names()
        self._say("done", name, 0)
        self._write(self._top / f".{name}", seed)
        self._say("begin", name, seed)
        os.link(self._top / f".{name}", self._top / name)
        self._sync_names()
        self._say("done", name, seed)
        (self._top / f".{name}").unlink()

    def _write(self, path: Path, seed: int) -> None:
        with path.open("wb") as file:
            file.write(content(seed))
            file.flush()
            os.fsync(file.fileno())

    def _sync_names(self) -> None:
        fd = os.open(self._top, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def lost(top: Path, log: Path) -> list[str]:
    """A line for each name that holds neither what was last confirmed nor what was begun after that."""
    allowed: dict[str, list[int]] = {}
    for line in log.read_text().splitlines():
        word, name, seed = json.loads(line)
        allowed[name] = [seed] if word == "done" else [*allowed.get(name, [0]), seed]
    wrong = []
    for name, seeds in allowed.items():
        path = top / name
        found = path.read_bytes() if path.exists() else None
        if found not in [content(seed) if seed else None for seed in seeds]:
            wrong.append(f"{path}: {None if found is None else len(found)} bytes, allowed are {seeds}")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="stress.durable")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    wanted = parser.parse_args()
    chance = random.Random(wanted.seed)
    with wanted.log.open("w") as log:
        writer = Writer(wanted.directory, log)
        while True:
            change = chance.choice((writer.replace, writer.move))
            try:
                change(f"file{chance.randrange(NAMES)}", chance.randrange(1, 1 << 30))
            except OSError as error:
                print(f"ended: {error}", file=sys.stderr)
                return 3


if __name__ == "__main__":
    sys.exit(main())
