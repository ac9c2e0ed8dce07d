"""What is guessed from the reads of one file."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from vfs.content.prefetch.pattern import FIRST_WINDOW, MIB, STRIDES_AHEAD, Pattern

GIB = 1 << 30
LIMIT = 64 * MIB
BLOCK = 128 * 1024


def run(pattern: Pattern, offsets: list[int], *, size: int = GIB, length: int = BLOCK) -> list[tuple[int, int]]:
    """Feed reads; a read waits when what it needs was not guessed before."""
    guessed: list[tuple[int, int]] = []
    for offset in offsets:
        waited = not any(low <= offset and offset + length <= high for low, high in guessed)
        guessed += pattern.note(offset, length, size, waited=waited, limit=LIMIT)
    return guessed


def covered(ranges: list[tuple[int, int]]) -> int:
    """Bytes in `ranges`, which must not overlap."""
    ordered = sorted(ranges)
    assert all(a[1] <= b[0] for a, b in pairwise(ordered)), "fetched twice"
    return sum(high - low for low, high in ordered)


def test_the_first_read_fetches_nothing_ahead() -> None:
    assert run(Pattern(), [0]) == []
    assert run(Pattern(), [GIB // 2]) == []


def test_a_forward_stream_is_fetched_once_each_byte_and_within_the_window() -> None:
    pattern = Pattern()
    offsets = list(range(0, 200 * MIB, BLOCK))
    ahead = 0
    total: list[tuple[int, int]] = []
    for offset in offsets:
        found = pattern.note(offset, BLOCK, 200 * MIB, waited=False, limit=LIMIT)
        total += found
        ahead = max([ahead, *(high for _, high in found)])
        assert ahead - offset <= FIRST_WINDOW + 2 * BLOCK, "a reader that never waits keeps the small window"
    assert covered(total) == 200 * MIB - 2 * BLOCK


def test_the_window_doubles_while_the_reader_waits_and_stops_at_the_limit() -> None:
    pattern = Pattern()
    longest = 0
    for offset in range(0, 512 * MIB, BLOCK):
        for low, high in pattern.note(offset, BLOCK, GIB, waited=True, limit=LIMIT):
            longest = max(longest, high - offset)
            assert low >= offset
    assert LIMIT <= longest <= LIMIT + 2 * BLOCK


def test_swapped_neighbours_are_still_one_stream() -> None:
    offsets = list(range(0, 32 * MIB, BLOCK))
    for i in range(0, len(offsets) - 1, 4):
        offsets[i], offsets[i + 1] = offsets[i + 1], offsets[i]
    assert covered(run(Pattern(), offsets)) >= 30 * MIB


def test_two_interleaved_streams_are_both_followed() -> None:
    one = range(0, 32 * MIB, BLOCK)
    two = range(512 * MIB, 544 * MIB, BLOCK)
    offsets = [offset for pair in zip(one, two, strict=True) for offset in pair]
    guessed = run(Pattern(), offsets)
    assert covered(guessed) >= 2 * 31 * MIB
    assert all(low < 80 * MIB or 512 * MIB <= low < 600 * MIB for low, _ in guessed)


def test_a_backward_stream_is_fetched_downwards_to_the_start() -> None:
    guessed = run(Pattern(), list(range(64 * MIB - BLOCK, -1, -BLOCK)), size=64 * MIB)
    assert covered(guessed) >= 62 * MIB
    assert min(low for low, _ in guessed) == 0


def test_a_constant_stride_is_followed_exactly() -> None:
    guessed = run(Pattern(), [n * 10 * MIB for n in range(12)])
    assert guessed
    assert all(low % (10 * MIB) == 0 and high - low == BLOCK for low, high in guessed)
    assert max(low for low, _ in guessed) == (11 + STRIDES_AHEAD) * 10 * MIB


@pytest.mark.parametrize("seed", range(5))
def test_random_reads_fetch_next_to_nothing_ahead(seed: int) -> None:
    random = Random(seed)
    offsets = [random.randrange(0, 64 * GIB // BLOCK) * BLOCK for _ in range(1000)]
    guessed = run(Pattern(), offsets, size=64 * GIB)
    assert sum(high - low for low, high in guessed) <= 10 * FIRST_WINDOW


@pytest.mark.parametrize("seed", range(3))
def test_small_random_reads_of_one_file_seldom_look_like_a_stream(seed: int) -> None:
    random, pattern, guessed = Random(seed), Pattern(), 0
    for _ in range(6000):
        ranges = pattern.note(random.randrange(0, GIB // 4096) * 4096, 4096, GIB, waited=True, limit=LIMIT)
        guessed += sum(high - low for low, high in ranges)
    assert guessed <= 64 * MIB, "one read in a thousand lies by chance near another"
