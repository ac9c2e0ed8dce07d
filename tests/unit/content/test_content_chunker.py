from __future__ import annotations

import hashlib
import random
from itertools import accumulate, repeat

import pyfastcdc.py
import pytest
from content_world import noise, reading
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.content import chunker
from vfs.content.chunker import cut, cut_bytes
from vfs.content.limits import CHUNK_MAX, CHUNK_MIN
from vfs.errors import Refused

GOLDEN = [
    1383736,
    2462428,
    2740669,
    3579362,
    4407878,
    4876980,
    6422930,
    8022259,
    9376021,
    10293469,
    13330326,
    14500218,
    15662374,
    16387568,
    16777216,
]


def test_the_cuts_are_those_of_every_earlier_version() -> None:
    data = hashlib.shake_128(b"golden cuts").digest(16 << 20)
    assert list(accumulate(map(len, cut_bytes(data)))) == GOLDEN


def test_chunks_join_to_the_stream_within_the_limits_of_size() -> None:
    data = noise(1, 20 << 20) + bytes(10 << 20)
    chunks = list(cut(reading(data)))
    assert b"".join(chunks) == data
    assert all(CHUNK_MIN <= len(chunk) <= CHUNK_MAX for chunk in chunks[:-1])
    assert CHUNK_MAX in map(len, chunks)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), size=st.integers(0, 6 << 20), most=st.integers(1, 3 << 20))
def test_the_cuts_do_not_depend_on_how_the_stream_is_read(seed: int, size: int, most: int) -> None:
    data = noise(seed, size)
    rnd = random.Random(seed)
    low = max(1, most // 20, size // 2000)
    sizes = (rnd.randint(low, max(low, most)) for _ in repeat(None))
    assert list(cut(reading(data, sizes))) == list(cut_bytes(data))


def test_an_inserted_byte_changes_the_chunks_around_it_only() -> None:
    data = noise(2, 24 << 20)
    at = 11 << 20
    before, after = set(cut_bytes(data)), set(cut_bytes(data[:at] + b"!" + data[at:]))
    assert len(after - before) <= 2


def test_an_empty_stream_has_no_chunk_and_a_small_one_is_one() -> None:
    assert list(cut(reading(b""))) == list(cut_bytes(b"")) == []
    assert list(cut(reading(b"abc"))) == list(cut_bytes(b"abc")) == [b"abc"]
    least = noise(3, CHUNK_MIN)
    assert list(cut(reading(least))) == list(cut_bytes(least)) == [least]


def test_the_slow_fallback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunker, "FastCDC", pyfastcdc.py.FastCDC)
    with pytest.raises(Refused, match="pyfastcdc: its compiled part is missing"):
        next(cut(reading(b"abc")))
