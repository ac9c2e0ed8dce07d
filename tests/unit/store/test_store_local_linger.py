"""Lingering for bytes of a pack: worth it while it helps, given up where it does not."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from vfs.store.descriptors import Opened
from vfs.store.linger import LONGEST, LONGEST_ALONE, PASSED_OVER_MAX, Linger


def lingers(linger: Linger, misses: int, *, helps: bool) -> int:
    """How often one lingers in so many misses."""
    count = 0
    for _ in range(misses):
        if linger.seconds():
            count += 1
            linger.note(helps)
    return count


def test_where_it_helps_each_miss_is_lingered_over() -> None:
    assert lingers(Linger(), 100, helps=True) == 100


def test_where_it_is_in_vain_it_is_tried_less_and_less_and_never_given_up() -> None:
    linger = Linger()
    assert lingers(linger, 1000, helps=False) <= 6 + 1000 // PASSED_OVER_MAX
    assert lingers(linger, PASSED_OVER_MAX + 1, helps=True) >= 1
    assert lingers(linger, 100, helps=True) == 100


def test_nobody_lingers_while_others_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pack"
    path.write_bytes(b"bytes")
    file, linger, tries = Opened(str(path)), Linger(), list[bool]()
    linger.heed(lambda: len(tries) > 3)
    assert linger.seconds() == LONGEST_ALONE

    def refused(*_: object) -> int:
        tries.append(True)
        raise BlockingIOError(11, "would wait")

    monkeypatch.setattr(os, "preadv", refused)
    # Time stands still: only that others wait ends it.
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert file.read_now(0, 5, linger) is None
    assert len(tries) == 4
    assert linger.seconds(), "that was not in vain"


def test_a_file_system_that_cannot_answer_at_once_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pack"
    path.write_bytes(b"bytes")
    file, linger = Opened(str(path)), Linger()

    def refused(*_: object) -> int:
        raise BlockingIOError(11, "would wait")

    monkeypatch.setattr(os, "preadv", refused)
    started = time.monotonic()
    assert [file.read_now(0, 5, linger) for _ in range(1000)] == [None] * 1000
    assert time.monotonic() - started < 1000 * LONGEST
    assert file.read(0, 5) == b"bytes"
