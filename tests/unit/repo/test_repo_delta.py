"""A commit of a changed tree stores what changed: bytes are counted in the store itself."""

from __future__ import annotations

import os
import random
from pathlib import Path

from vfs.repo.library import Library

MIB = 1 << 20


def stored_bytes(library: Library) -> int:
    return sum(found.size for found in library.store.list(""))


def packs(library: Library) -> set[str]:
    return {found.key for found in library.store.list("packs/")}


def test_one_file_changed_among_ten_thousand(library: Library, put_paths, work: Path) -> None:
    chance = random.Random(3)
    for number in range(10_000):
        directory = work / f"d{number // 500:02}"
        directory.mkdir(exist_ok=True)
        (directory / f"f{number:05}").write_bytes(chance.randbytes(600))
    first = put_paths("r", f"{work}/")
    full = stored_bytes(library)
    assert first.stats.chunks_new == 10_000

    changed = work / "d07/f03700"
    status = changed.stat()
    changed.write_bytes(chance.randbytes(600))
    os.utime(changed.parent, ns=(status.st_atime_ns, changed.parent.stat().st_mtime_ns))
    second = put_paths("r", f"{work}/")
    assert second.stats.chunks_new == 1
    assert second.stats.bytes_new == 600
    # The leaf with the file, and the root page above it; 512 entries a leaf on average, 4,096 at most.
    assert second.stats.pages_new <= 2
    assert stored_bytes(library) - full < full // 20


def test_one_byte_inserted_into_a_large_file(library: Library, put_paths, work: Path) -> None:
    data = random.Random(4).randbytes(64 * MIB)
    (work / "large").write_bytes(data)
    first = put_paths("r", work / "large")
    full = stored_bytes(library)
    assert first.stats.bytes_new == 64 * MIB
    (work / "large").write_bytes(data[: 30 * MIB] + b"!" + data[30 * MIB :])
    second = put_paths("r", work / "large")
    assert second.stats.chunks_new <= 2
    assert second.stats.pages_new == 1
    assert stored_bytes(library) - full <= 8 * MIB + 64 * 1024


def test_a_touch_stores_a_page_and_no_content(library: Library, put_paths, work: Path) -> None:
    (work / "large").write_bytes(random.Random(5).randbytes(8 * MIB))
    put_paths("r", work / "large")
    full = stored_bytes(library)
    os.utime(work / "large", ns=(1, 1))
    second = put_paths("r", work / "large")
    assert second.changed and second.stats.chunks_new == 0
    assert stored_bytes(library) - full < 4096


def test_the_same_again_stores_nothing(library: Library, put_paths, work: Path) -> None:
    (work / "large").write_bytes(random.Random(6).randbytes(2 * MIB))
    put_paths("r", work / "large")
    before, held = stored_bytes(library), packs(library)
    put_paths("r", work / "large")
    assert (stored_bytes(library), packs(library)) == (before, held)


def test_equal_trees_have_one_root_whatever_the_way_to_them(library: Library, put_paths, work: Path) -> None:
    for number in range(300):
        (work / f"f{number}").write_bytes(b"%d" % number)
    at_once = put_paths("r@one", f"{work}/")
    os.utime(work, ns=(1, 1))
    put_paths("r@two", work / "f7", work / "f5")
    put_paths("r@two", f"{work}/")
    again = put_paths("r@one", f"{work}/")
    two = put_paths("r@two", f"{work}/")
    assert at_once.stored.commit.root != again.stored.commit.root
    assert two.stored.commit.root == again.stored.commit.root
