"""What the machine is and how busy, and how its caches are emptied."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from bench.stopped import BenchError


def drop_caches() -> None:
    """Write back what is dirty, then drop page, dentry and inode caches. Needs root."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3")
    except OSError as error:
        raise BenchError(f"page cache: cannot be dropped: {error.strerror}; run as root") from error


def load() -> list[float]:
    """Load averages over 1, 5 and 15 minutes."""
    return [round(figure, 2) for figure in os.getloadavg()]


def describe(place: Path) -> dict[str, str]:
    """What a reader has to know to judge the figures."""
    return {
        "kernel": platform.release(),
        "python": platform.python_version(),
        "processor": _first_of("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "disk": _disk_of(place),
    }


def _first_of(path: str, key: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "unknown"


def _disk_of(place: Path) -> str:
    words = ["findmnt", "-n", "-o", "FSTYPE,SOURCE", "--target", str(place)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=False)
    return " ".join(done.stdout.split()) or "unknown"
