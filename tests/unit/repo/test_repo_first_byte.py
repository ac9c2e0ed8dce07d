"""Where two contents part, whatever pieces they come in."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vfs.config.settings import Settings, default_settings
from vfs.model.entry import BlobRef, ChunkList, Entry, Kind
from vfs.model.ids import digest_of
from vfs.repo.first_byte import first_byte, first_byte_of_file, first_difference
from vfs.repo.library import Library


def expected(a: bytes, b: bytes) -> int | None:
    if a == b:
        return None
    length = min(len(a), len(b))
    return next((place for place in range(length) if a[place] != b[place]), length)


def _settings(tmp_path: Path) -> Settings:
    return default_settings(
        store=f"file://{tmp_path}/store", state_dir=str(tmp_path / "state"), cache_dir=str(tmp_path / "cache")
    )


@given(st.lists(st.binary(min_size=1, max_size=9)), st.lists(st.binary(min_size=1, max_size=9)), st.binary(max_size=40))
def test_streams_of_any_pieces(a: list[bytes], b: list[bytes], common: bytes) -> None:
    for head in ([], [common] if common else [], [bytes([byte]) for byte in common]):
        left, right = [*head, *a], [*([common] if common and head else []), *b]
        assert first_difference(left, right) == expected(b"".join(left), b"".join(right))


def test_files_in_the_store_and_only_what_has_to_be_read(tmp_path: Path) -> None:
    with Library.create(_settings(tmp_path)) as library:
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
            (tmp_path / "local").write_bytes(contents[b])
            with (tmp_path / "local").open("rb") as file:
                assert first_byte_of_file(library.files, entries[a], file.fileno()) == at, (a, b)


def test_holes_are_told_from_data_without_the_store(tmp_path: Path) -> None:
    chunk = BlobRef(digest_of(b"x" * 9), 9, b"", 0, 9)
    hole = BlobRef(b"", 5 << 20, b"", 0, 0)
    content = ChunkList((chunk, hole, chunk))
    size = sum(content.lengths())
    entry = Entry(path=b"f", kind=Kind.FILE, mode=0o644, mtime_ns=0, size=size, content=content)
    whole = b"x" * 9 + bytes(hole.length) + b"x" * 9
    middle = (3 << 20) + 9
    cases = {
        whole: None,
        whole + b"x": size,
        whole[:middle] + b"\1" + whole[middle + 1 :]: middle,
        whole[:middle]: middle,
    }
    for data, at in cases.items():
        (tmp_path / "local").write_bytes(data)
        with Library.create(_settings(tmp_path)) as library, (tmp_path / "local").open("rb") as file:
            assert first_byte_of_file(library.files, entry, file.fileno()) == at
