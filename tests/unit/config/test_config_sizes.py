from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vfs.config.sizes import format_size, parse_size
from vfs.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("4096", 4096), ("1B", 1), ("1k", 1024), ("1KiB", 1024), ("1KB", 1000), ("256MiB", 256 << 20),
        ("20GiB", 20 << 30), ("20 GB", 20 * 10**9), (" 1.5 GiB ", 3 << 29), ("2T", 2 << 40), ("3pib", 3 << 50),
    ],
)  # fmt: skip
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1.2.3", "1 XB", "1e9", "0x10", "1 GiB x", "1" * 30, "\u0661"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), ((1 << 20) - 1, "1.0 MiB"),
        (20 << 30, "20.0 GiB"), (1 << 60, "1.0 EiB"), (1 << 75, "32768.0 EiB"),
    ],
)  # fmt: skip
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@given(st.integers(0, 1 << 55))
def test_what_is_shown_can_be_read_and_is_near(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.05, abs=0)
