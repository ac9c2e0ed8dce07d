from __future__ import annotations

import resource
from contextlib import suppress
from itertools import pairwise

import pytest
import zstandard
from content_world import flipped, noise
from hypothesis import given, settings
from hypothesis import strategies as st

from vfs.content.codec import decode, decode_frame, encode, ends_of_frames
from vfs.content.frames import FRAME
from vfs.errors import Corrupt

repetitive = st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=40), st.integers(1, 3000))


@given(st.one_of(st.binary(max_size=70_000), repetitive))
def test_what_is_encoded_decodes_to_the_same_and_never_grows_by_more_than_a_byte(raw: bytes) -> None:
    stored = encode(raw)
    assert decode(stored, len(raw)) == raw
    assert len(stored) <= len(raw) + 1


def test_noise_is_kept_as_it_is_and_text_is_compressed() -> None:
    assert encode(noise(1, 1 << 20))[:1] == b"\0"
    text = b"".join(b"line %d of a text\n" % n for n in range(50_000))
    assert encode(text)[:1] == b"\1"
    assert len(encode(text)) < len(text) / 3


def test_a_saving_below_five_percent_is_not_worth_decompressing() -> None:
    raw = noise(2, 1_000_000) + bytes(30_000)
    assert encode(raw)[:1] == b"\0"


def test_compressible_parts_between_the_samples_do_not_stop_a_blob_from_being_stored() -> None:
    raw = noise(3, 8192) + bytes(500_000) + noise(4, 8192)
    assert decode(encode(raw), len(raw)) == raw


def test_a_frame_that_claims_more_than_the_reference_is_refused_before_anything_is_allocated() -> None:
    bomb = b"\1" + zstandard.ZstdCompressor().compress(bytes(1 << 30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Corrupt, match="pack 00 at 8: compressed blob claims 1073741824 bytes, 100 expected"):
        decode(bomb, 100, what="pack 00 at 8")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_frame_that_claims_what_is_expected_and_holds_more_is_refused() -> None:
    raw = bytes(100)
    frame = zstandard.ZstdCompressor(write_content_size=True).compress(raw)
    for stored in (b"\1" + frame + frame, b"\1" + frame + b"x", b"\1" + frame[:-1], b"\1" + frame[:5], b"\1"):
        with pytest.raises(Corrupt):
            decode(stored, 100)


def test_a_frame_without_a_size_is_refused() -> None:
    compressor = zstandard.ZstdCompressor().compressobj()
    frame = compressor.compress(bytes(100)) + compressor.flush()
    with pytest.raises(Corrupt):
        decode(b"\1" + frame, 100)


@pytest.mark.parametrize("stored", [b"", b"\0", b"\0ab", b"\0abcd", b"\2abc", b"\3abc", b"\xffabc"])
def test_other_lengths_and_unknown_codecs_are_refused(stored: bytes) -> None:
    with pytest.raises(Corrupt):
        decode(stored, 3)


@given(st.binary(max_size=300), st.integers(0, 2000))
def test_any_bytes_decode_to_the_length_asked_for_or_are_corrupt(stored: bytes, length: int) -> None:
    with suppress(Corrupt):
        assert len(decode(stored, length)) == length


@given(st.data())
def test_a_flipped_bit_never_changes_the_length(data: st.DataObject) -> None:
    raw = data.draw(repetitive)
    stored = encode(raw)
    bad = flipped(stored, data.draw(st.integers(0, len(stored) - 1)), data.draw(st.integers(0, 7)))
    with suppress(Corrupt):
        assert len(decode(bad, len(raw))) == len(raw)


@given(
    st.one_of(
        st.binary(max_size=300_000),
        st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=900), st.integers(1, 600)),
    )
)
@settings(deadline=None)
def test_what_is_encoded_for_parts_decodes_to_the_same(raw: bytes) -> None:
    stored = encode(raw, in_parts=True)
    assert decode(stored, len(raw)) == raw
    assert len(stored) <= len(raw) + 1


def words(count: int) -> bytes:
    return b"".join(noise(n, 9).hex().encode() for n in range(count))


def test_frames_are_chosen_where_they_cost_little_room() -> None:
    assert encode(words(20_000), in_parts=True)[:1] == b"\2"
    assert encode(words(20_000))[:1] == b"\1"
    # 128 KiB are read as a whole, and what is said again and again is worth saying once.
    assert encode(words(7_000), in_parts=True)[:1] == b"\1"
    assert encode(words(4_000) * 6, in_parts=True)[:1] == b"\1"


def test_frames_end_where_the_table_says() -> None:
    raw = words(20_000)
    stored = memoryview(encode(raw, in_parts=True))
    ends = ends_of_frames(stored, len(raw))
    assert ends is not None and len(ends) == -(-len(raw) // FRAME) + 1 and ends[-1] == len(stored)
    for number, (start, end) in enumerate(pairwise(ends)):
        assert decode_frame(stored[start:end]) == raw[number * FRAME : (number + 1) * FRAME]
    assert ends_of_frames(memoryview(encode(raw)), len(raw)) is None


def test_frames_that_hold_more_or_less_than_they_may_are_refused() -> None:
    frame = zstandard.ZstdCompressor().compress
    length = 2 * FRAME + 10
    bomb = frame(bytes(1 << 30))
    for parts in (
        [frame(bytes(FRAME)), frame(bytes(FRAME)), bomb],
        [frame(bytes(FRAME)), frame(bytes(FRAME - 1)), frame(bytes(11))],
        [frame(bytes(FRAME)), frame(bytes(FRAME))],
        [frame(bytes(FRAME)), b"no frame", frame(bytes(10))],
        [frame(bytes(FRAME)), b"", frame(bytes(10))],
    ):
        table = b"".join(len(part).to_bytes(4, "little") for part in parts)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(Corrupt):
            decode(b"\2" + table + b"".join(parts), length)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024
    # What follows a frame in its place is never looked at.
    parts = [frame(bytes(FRAME)), frame(bytes(FRAME)) + bomb, frame(bytes(10))]
    table = b"".join(len(part).to_bytes(4, "little") for part in parts)
    assert decode(b"\2" + table + b"".join(parts), length) == bytes(length)
    with pytest.raises(Corrupt, match=f"frame of more than {FRAME} bytes"):
        decode_frame(memoryview(bomb))


@given(st.binary(max_size=300), st.integers(1, 300_000))
def test_any_table_of_frames_is_sound_or_corrupt(stored: bytes, length: int) -> None:
    with suppress(Corrupt):
        ends_of_frames(memoryview(b"\2" + stored), length)
    with suppress(Corrupt):
        assert len(decode(b"\2" + stored, length)) == length
