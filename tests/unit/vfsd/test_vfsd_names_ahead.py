"""Which directories are listed for the kernel, and how much of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from vfsd.names_ahead import FIRST, NAMES_MAX, SHARE, MountLister, NamesAhead, Outcome, Part


class Directory:
    """`size` names whose cookies are 3, 4, …: those after `part.cookie` are listed."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.known: set[int] = set()
        self.parts: list[Part] = []
        self.listed = 0
        self.done = threading.Semaphore(0)

    def __call__(self, part: Part) -> Outcome:
        self.parts.append(part)
        begin = max(part.cookie - 2, 0)
        end = min(begin + part.names, self.size)
        self.known.update(range(begin, end))
        self.listed += end - begin
        self.done.release()
        return Outcome(end - begin, end + 2, end=end == self.size)


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)


def look_up(directory: Directory, names: list[int]) -> tuple[NamesAhead, int]:
    """Look names up as the kernel does: only those it does not know. How many it had to ask for."""
    ahead, asked = NamesAhead(directory), 0
    for name in names:
        if name in directory.known:
            continue
        asked += 1
        parts = len(directory.parts)
        ahead.looked_up(5, b"d", name + 3)
        directory.known.add(name)
        if asked >= FIRST:
            directory.done.acquire(timeout=0.2 if len(directory.parts) == parts else 0)
            time.sleep(0.002)
    return ahead, asked


def test_a_few_look_ups_list_nothing() -> None:
    directory = Directory(10_000)
    ahead, _ = look_up(directory, list(range(FIRST - 1)))
    time.sleep(0.05)
    assert directory.parts == []
    ahead.close()


@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_the_names_of_a_directory_are_soon_known_whatever_the_order(seed: int | None) -> None:
    names = list(range(5000))
    if seed is not None:
        Random(seed).shuffle(names)
    directory = Directory(5000)
    ahead, asked = look_up(directory, names)
    assert asked <= 200
    assert directory.known == set(names)
    assert directory.listed <= SHARE * asked
    assert max(part.names for part in directory.parts) <= NAMES_MAX
    ahead.close()


def test_names_that_will_be_needed_are_listed_up_to_there() -> None:
    """As far as content is fetched, and in directories that nobody has come to yet."""
    directory = Directory(10_000)
    ahead = NamesAhead(directory)
    assert not ahead.looks_up(5)
    for name in range(FIRST):
        ahead.looked_up(5, b"d", name + 3)
    assert ahead.looks_up(5)
    ahead.needed(5, b"d", 6000)
    wait_for(lambda: directory.listed >= 5990)
    ahead.needed(6, b"next", 500)
    wait_for(lambda: directory.parts[-1].path == b"next")
    time.sleep(0.05)
    assert (directory.parts[-1].cookie, directory.parts[-1].names) == (0, 500)
    assert directory.listed <= 6000 + 500 + NAMES_MAX
    ahead.close()


def test_a_directory_that_was_forgotten_is_listed_again() -> None:
    directory = Directory(100)
    ahead, _ = look_up(directory, list(range(100)))
    before = len(directory.parts)
    assert before >= 1
    directory.known.clear()
    for name in range(50):
        ahead.looked_up(5, b"d", name + 3)
        time.sleep(0.001)
    wait_for(lambda: len(directory.parts) > before)
    ahead.close()


def test_a_listing_that_fails_is_not_tried_for_ever() -> None:
    calls = list[Part]()

    def lister(part: Part) -> Outcome:
        calls.append(part)
        raise PermissionError(13, "permission denied")

    ahead = NamesAhead(lister)
    for name in range(30):
        ahead.looked_up(5, b"d", name + 3)
        time.sleep(0.001)
    ahead.close()
    assert 1 <= len(calls) <= 20


def test_a_real_directory_is_listed_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    for number in range(3000):
        (tmp_path / "d" / f"name{number}").touch()
    lister = MountLister(str(tmp_path))
    whole = lister(Part(b"d", 0, 10_000))
    assert (whole.names, whole.end) == (3002, True)
    first = lister(Part(b"d", 0, 5))
    assert not first.end and first.names >= 5
    rest = lister(Part(b"d", first.cookie, 10_000))
    assert (first.names + rest.names, rest.end) == (3002, True)
    with pytest.raises(FileNotFoundError):
        lister(Part(b"none", 0, 10))
