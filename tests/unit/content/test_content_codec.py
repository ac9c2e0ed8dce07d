from __future__ import annotations

import resource
from contextlib import suppress

import pytest
import zstandard
from content_world import flipped, noise
from hypothesis import given
from hypothesis import strategies as st

from vfs.content.codec import decode, encode
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


@pytest.mark.parametrize("stored", [b"", b"\0", b"\0ab", b"\0abcd", b"\2abc", b"\xffabc"])
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
