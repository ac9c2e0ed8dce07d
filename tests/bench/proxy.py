"""The latency proxy as a process of its own, and its counters."""

from __future__ import annotations

import mmap
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bench.stopped import BenchError, finish

FIELDS = ("latency_us", "wave", "connections", "requests", "gets", "heads", "puts", "others", "lists", "up", "down")
FORM = struct.Struct(f"={len(FIELDS)}Q")


@dataclass(frozen=True)
class Counts:
    """What went through since the start, or between two moments. `waves`: round trips one after the other."""

    waves: int
    requests: int
    gets: int
    lists: int
    down: int

    def __sub__(self, before: Self) -> Counts:
        return Counts(*(getattr(self, name) - getattr(before, name) for name in self.__dataclass_fields__))

    def __str__(self) -> str:
        return f"{self.waves} round trips, {self.requests} requests, {self.down / 2**20:.2f} MiB"


class Proxy:
    """One running proxy in front of the service at `upstream` on loopback."""

    def __init__(self, program: str, place: Path, upstream: int) -> None:
        place.mkdir(parents=True, exist_ok=True)
        path = place / f"counters.{upstream}"
        path.write_bytes(bytes(FORM.size))
        with open(path, "r+b") as file:
            self._memory = mmap.mmap(file.fileno(), FORM.size)
        words = [program, str(path), str(upstream)]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("proxy: did not start")
        self.endpoint = f"http://127.0.0.1:{int(line)}"

    def latency(self, milliseconds: float) -> None:
        """Of every round trip from now on."""
        struct.pack_into("=Q", self._memory, 0, round(milliseconds * 1000))

    def counts(self) -> Counts:
        """Since the proxy started."""
        values = dict(zip(FIELDS, FORM.unpack(self._memory[:]), strict=True))
        return Counts(values["wave"], values["requests"], values["gets"], values["lists"], values["down"])

    def stop(self) -> None:
        """End the process."""
        finish(self._process)
        if self._process.stdout:
            self._process.stdout.close()
