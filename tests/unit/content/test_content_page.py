from __future__ import annotations

import pytest
from content_world import flipped
from hypothesis import given
from hypothesis import strategies as st

from vfs.content import page as page_module
from vfs.content.limits import place
from vfs.content.page import Page, pack_page, unpack_page
from vfs.errors import Corrupt, Refused
from vfs.model.entry import BlobRef
from vfs.model.ids import digest_of


def ref_of(logical: bytes, raw: bytes) -> BlobRef:
    return BlobRef(digest_of(logical), len(raw), b"p" * 16, 8, len(raw))


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_both_parts_of_a_page_come_back(logical: bytes, location: bytes) -> None:
    raw = pack_page(logical, location)
    assert unpack_page(raw, ref_of(logical, raw)) == Page(logical, location)


def test_the_layout_is_the_documented_one() -> None:
    raw = pack_page(b"says", b"where")
    assert raw[:4] == (4).to_bytes(4, "little")
    assert raw[12:] == b"sayswhere"


def test_the_id_of_a_page_does_not_depend_on_its_locations() -> None:
    one, other = pack_page(b"says", b"here"), pack_page(b"says", b"there")
    assert unpack_page(one, ref_of(b"says", one)).logical == unpack_page(other, ref_of(b"says", other)).logical


@given(st.binary(max_size=60), st.binary(max_size=60), st.data())
def test_a_flipped_bit_anywhere_in_a_page_is_found(logical: bytes, location: bytes, data: st.DataObject) -> None:
    raw = pack_page(logical, location)
    bad = flipped(raw, data.draw(st.integers(0, len(raw) - 1)), data.draw(st.integers(0, 7)))
    with pytest.raises(Corrupt):
        unpack_page(bad, ref_of(logical, raw))


@given(st.binary(max_size=100))
def test_any_bytes_are_no_page_of_another_id(raw: bytes) -> None:
    with pytest.raises(Corrupt):
        unpack_page(raw, BlobRef(b"d" * 32, len(raw), b"p" * 16, 8, 1))


def test_the_place_of_a_damaged_page_is_named() -> None:
    raw = pack_page(b"says", b"where")
    ref = ref_of(b"other", raw)
    with pytest.raises(Corrupt, match=f"^{place(ref)}: page does not hash to its id"):
        unpack_page(raw, ref)
    assert place(ref) == "pack " + "70" * 16 + " at 8"


def test_a_page_over_the_limit_is_refused_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_module, "PAGE_MAX", 100)
    with pytest.raises(Refused, match="page of 101 bytes"):
        pack_page(b"x" * 80, b"y" * 9)
    raw = pack_page(b"x" * 80, b"y" * 8)
    with pytest.raises(Corrupt, match="page of 101 bytes"):
        unpack_page(raw + b"z", ref_of(b"x" * 80, raw))
