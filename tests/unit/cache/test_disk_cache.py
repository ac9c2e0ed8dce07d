"""The disk cache: never wrong, whatever happens to its files; never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.content.cache.disk import PACKS, DiskCache, clear, status, verify
from vfs.content.cache.eviction import mirrors
from vfs.content.cache.records import PIECE, RECORD, PieceMap, cut, decode, encode

PACK = bytes(range(16))
MIB = 1 << 20


def pack_bytes(pack: bytes, size: int = 4 * MIB) -> bytes:
    """What the store would hold under this id."""
    return Random(pack).randbytes(size)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


class Prompt(DiskCache):
    """A cache that has written what it was given when `put` returns: most of these tests look at its files."""

    def put(self, pack: bytes, offset: int, data: bytes | memoryview) -> None:
        super().put(pack, offset, data)
        self.flush()


def make(root: Path, *, limit: int = 1 << 30, floor: int = 0, heard: list[str] | None = None) -> DiskCache:
    """A cache at `root`; warnings go to `heard`, or fail the test."""

    def warn(message: str) -> None:
        assert heard is not None, message
        heard.append(message)

    return Prompt(root, limit=limit, floor=floor, warn=warn)


RANGES = st.lists(st.tuples(st.integers(0, 300_000), st.integers(1, 200_000), st.booleans()), max_size=30)


@settings(max_examples=80, deadline=None)
@given(RANGES)
def test_pieces_answer_like_a_set_of_bytes(ranges: list[tuple[int, int, bool]]) -> None:
    data = memoryview(bytes(500_001))
    kept, known = PieceMap(), bytearray(500_001)
    for start, length, store in ranges:
        end = start + length
        if store:
            for low, high in kept.gaps(start, end):
                assert not any(known[low:high])
                for piece, part in cut(low, data[low:high]):
                    assert piece.length == len(part) <= PIECE
                    kept.apply(piece)
                known[low:high] = b"\1" * (high - low)
        else:
            covering = kept.covering(start, end)
            assert (covering is not None) == all(known[start:end])
            if covering is not None:
                assert covering[0].offset <= start < end <= covering[-1].end
    assert kept.bytes == sum(known)


def test_records_survive_and_torn_or_flipped_ones_are_passed_over() -> None:
    pieces = [piece for piece, _ in cut(10, memoryview(bytes(300_000)))]
    data = b"".join(map(encode, pieces))
    assert list(decode(data)) == pieces
    assert list(decode(data[:-1])) == pieces[:-1]
    flipped = bytearray(data)
    flipped[RECORD + 3] ^= 1
    assert list(decode(bytes(flipped))) == [pieces[0], *pieces[2:]]


def test_what_was_put_is_found_by_another_process_and_nothing_else(root: Path) -> None:
    data = pack_bytes(PACK)
    one = make(root)
    assert one.get(PACK, 0, 10) is None
    one.put(PACK, 100_000, data[100_000:900_000])
    one.put(PACK, 800_000, data[800_000:1_000_000])
    code = (
        "import sys; from vfs.content.cache.disk import DiskCache\n"
        f"c = DiskCache({str(root)!r}, limit=1 << 30, floor=0, warn=print)\n"
        f"sys.stdout.buffer.write(c.get({PACK!r}, 100_001, 899_998)); assert c.get({PACK!r}, 99_999, 5) is None\n"
        f"c.put({PACK!r}, 0, b'x' * 10); c.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stdout == data[100_001:999_999]
    assert one.get(PACK, 0, 10) == b"x" * 10


@pytest.mark.parametrize("seed", range(20))
def test_damage_to_its_files_never_yields_wrong_bytes(root: Path, seed: int) -> None:
    random, data = Random(seed), pack_bytes(PACK)
    make(root).put(PACK, 0, data)
    victim = root / PACKS / PACK.hex()[:2] / (PACK.hex() + random.choice([".data", ".map"]))
    content = bytearray(victim.read_bytes())
    for _ in range(random.randint(1, 20)):
        content[random.randrange(len(content))] ^= random.randint(1, 255)
    victim.write_bytes(bytes(content if random.random() < 0.7 else content[: random.randrange(len(content))]))
    cache = make(root)
    for _ in range(50):
        start = random.randrange(len(data) - 1)
        length = random.randint(1, min(300_000, len(data) - start))
        assert cache.get(PACK, start, length) in (None, data[start : start + length])
    cache.put(PACK, 0, data)
    cache.get(PACK, 0, len(data))
    cache.put(PACK, 0, data)
    assert cache.get(PACK, 0, len(data)) == data


def test_a_dropped_range_is_gone_for_every_process(root: Path) -> None:
    data = pack_bytes(PACK)
    one, two = make(root), make(root)
    one.put(PACK, 0, data)
    assert two.get(PACK, 200_000, 10) is not None
    one.drop(PACK, 200_000, 10)
    assert two.get(PACK, 200_000, 10) is None
    assert two.get(PACK, 0, PIECE) == data[:PIECE]


def test_the_least_recently_used_packs_go_first(root: Path) -> None:
    cache = make(root, limit=20 * MIB)
    packs = [bytes([i]) * 16 for i in range(10)]
    for age, pack in enumerate(packs):
        cache.put(pack, 0, pack_bytes(pack))
        for kept in mirrors(root):
            if kept.base.endswith(pack.hex()):
                os.utime(kept.base + ".map", ns=(age * 10**9, age * 10**9))
    assert sum(kept.size for kept in mirrors(root)) <= 21 * MIB
    assert cache.get(packs[0], 0, 100) is None
    assert cache.get(packs[-1], 0, 4 * MIB) == pack_bytes(packs[-1])


def test_a_full_disk_and_a_lost_directory_only_cost_the_help(root: Path) -> None:
    heard: list[str] = []
    free = os.statvfs(root.parent).f_bavail * os.statvfs(root.parent).f_frsize
    cache = make(root, floor=2 * free, heard=heard)
    cache.put(PACK, 0, pack_bytes(PACK))
    assert cache.get(PACK, 0, 10) is None
    cache.put(PACK, 0, pack_bytes(PACK))
    assert len(heard) == 1
    assert "left free" in heard[0]
    other = make(root)
    other.put(PACK, 0, pack_bytes(PACK))
    subprocess.run(["rm", "-rf", str(root / PACKS)], check=True, timeout=30)
    assert other.get(PACK, 0, 10) is None
    other.put(PACK, 0, pack_bytes(PACK))
    assert other.get(PACK, 0, 10) == pack_bytes(PACK)[:10]


def test_writes_that_fail_are_said_once_and_reads_go_on(root: Path) -> None:
    heard: list[str] = []
    cache = make(root, heard=heard)
    (root / PACKS).mkdir()
    (root / PACKS / PACK.hex()[:2]).write_bytes(b"a file where a directory belongs")
    cache.put(PACK, 0, b"x")
    cache.put(PACK, 0, b"x")
    assert len(heard) == 1
    assert "reading from the store instead" in heard[0]


def test_status_verify_and_clear(root: Path) -> None:
    data = pack_bytes(PACK)
    make(root).put(PACK, 0, data)
    assert verify(root) == (len(data), 0)
    victim = root / PACKS / PACK.hex()[:2] / (PACK.hex() + ".data")
    content = bytearray(victim.read_bytes())
    content[5] ^= 1
    victim.write_bytes(bytes(content))
    assert verify(root) == (len(data), 1)
    assert verify(root) == (len(data) - PIECE, 0)
    found = status(root, limit=10, floor=1)
    assert (found.mirrors, found.limit) == (1, 10)
    assert found.bytes >= len(data) - PIECE
    assert clear(root) == found.bytes
    assert status(root, limit=10, floor=1).mirrors == 0


def test_the_status_of_a_cache_that_is_not_made_yet_tells_of_its_disk(tmp_path: Path) -> None:
    found = status(tmp_path / "cache" / "content", limit=10, floor=1)
    assert (found.mirrors, found.bytes) == (0, 0)
    assert found.free > 0 and list(tmp_path.iterdir()) == []


def test_one_round_of_reading_and_fetching_replaces_all_that_is_damaged(root: Path) -> None:
    data, step = pack_bytes(PACK), 100_001
    ranges = [(start, min(step, len(data) - start)) for start in range(0, len(data), step)]
    make(root).put(PACK, 0, data)
    (path,) = root.rglob("*.data")
    content = bytearray(path.read_bytes())
    for at in range(0, len(content), PIECE // 2):
        content[at] ^= 1
    path.write_bytes(bytes(content))
    cache = make(root)
    for start, length in ranges:
        assert cache.get(PACK, start, length) is None
        cache.put(PACK, start, data[start : start + length])
    again = make(root)
    assert [again.get(PACK, start, length) for start, length in ranges] == [data[s : s + n] for s, n in ranges]
