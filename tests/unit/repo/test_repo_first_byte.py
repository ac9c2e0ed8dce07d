"""Where two contents part, whatever pieces they come in."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vfs.config.settings import default_settings
from vfs.model.entry import Entry, Kind
from vfs.repo.first_byte import first_byte, first_difference
from vfs.repo.library import Library


def expected(a: bytes, b: bytes) -> int | None:
    if a == b:
        return None
    length = min(len(a), len(b))
    return next((place for place in range(length) if a[place] != b[place]), length)


@given(st.lists(st.binary(min_size=1, max_size=9)), st.lists(st.binary(min_size=1, max_size=9)), st.binary(max_size=40))
def test_streams_of_any_pieces(a: list[bytes], b: list[bytes], common: bytes) -> None:
    for head in ([], [common] if common else [], [bytes([byte]) for byte in common]):
        left, right = [*head, *a], [*([common] if common and head else []), *b]
        assert first_difference(left, right) == expected(b"".join(left), b"".join(right))


def test_files_in_the_store_and_only_what_has_to_be_read(tmp_path: Path) -> None:
    settings = default_settings(
        store=f"file://{tmp_path}/store", state_dir=str(tmp_path / "state"), cache_dir=str(tmp_path / "cache")
    )
    with Library.create(settings) as library:
        writer = library.writer()
        base = os.urandom(6 << 20)
        later = base[:5_000_000] + bytes([base[5_000_000] ^ 1]) + base[5_000_001:]
        contents = [base, later, base[:4_000_000], b"", b"small", b"smell"]
        entries = []
        for data in contents:
            digest, content = writer.put_bytes(data)
            entries.append(
                Entry(path=b"f", kind=Kind.FILE, mode=0o644, mtime_ns=0, size=len(data), digest=digest, content=content)
            )
        writer.flush()
        parted = {(0, 0): None, (0, 1): 5_000_000, (1, 0): 5_000_000, (0, 2): 4_000_000, (2, 1): 4_000_000}
        parted |= {(3, 3): None, (3, 4): 0, (4, 3): 0, (4, 5): 2, (5, 5): None, (0, 3): 0}
        for (a, b), at in parted.items():
            assert first_byte(library.files, entries[a], entries[b]) == at, (a, b)
