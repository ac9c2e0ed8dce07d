from __future__ import annotations

from pathlib import Path

import pytest

from vfs.config.settings import default_settings
from vfs.errors import StoreError, StoreFormat, StoreMissing, UsageError
from vfs.store.local import LocalStore
from vfs.store.marker import MARKER_KEY, read_marker
from vfs.store.open import create_store, open_store
from vfs.store.url import S3URL, FileURL, parse_url

SETTINGS = default_settings(timeout=5)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("file:///a/b", FileURL("/a/b")),
        ("file://localhost/a/b", FileURL("/a/b")),
        ("file:///a/b/../c/", FileURL("/a/c")),
        ("file:///with%20space", FileURL("/with space")),
        ("/a/b", FileURL("/a/b")),
        ("s3://bucket", S3URL("bucket", "")),
        ("s3://bucket/", S3URL("bucket", "")),
        ("s3://my.bucket-1/some/prefix/", S3URL("my.bucket-1", "some/prefix")),
    ],
)
def test_a_place_is_understood(text: str, place: FileURL | S3URL) -> None:
    assert parse_url(text) == place


def test_a_path_may_be_relative_or_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert parse_url("data/store") == FileURL(f"{tmp_path}/data/store")
    assert parse_url("~/store") == FileURL("/home/me/store")


@pytest.mark.parametrize(
    "text",
    [
        "", "file://", "file://relative", "http://host/x", "s3://", "s3:///x", "s3://UPPER/x", "s3://b",
        "s3://bucket/../x", "s3://bucket/a//b", "s3://bucket/a b", "s3://bucket/.hidden", "a\0b",
        "s3://bucket/" + "p" * 101,
    ],
)  # fmt: skip
def test_what_names_no_store_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a store"):
        parse_url(text)


def test_a_store_is_made_once_and_opened_often(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/new/store"
    made = create_store(url, SETTINGS)
    made.put("packs/aa/x", b"kept")
    marker = read_marker(made)
    assert read_marker(create_store(url, SETTINGS)) == marker
    opened = open_store(url, SETTINGS)
    assert isinstance(opened, LocalStore)
    assert (opened.url, opened.get("packs/aa/x")) == (url, b"kept")


def test_there_must_be_a_store_to_open(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match=r"none: no such file or directory; `vfs init file://.*none` makes a store"):
        open_store(f"file://{tmp_path}/none", SETTINGS)
    with pytest.raises(StoreMissing, match="no vfs store here; `vfs init"):
        open_store(f"file://{tmp_path}", SETTINGS)
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StoreMissing, match="not a directory"):
        open_store(f"file://{tmp_path}/file", SETTINGS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_place_that_cannot_hold_a_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(StoreError, match="file: cannot be made: file exists"):
        create_store(f"{tmp_path}/file", SETTINGS)
    with pytest.raises(StoreError, match="cannot be made: not a directory"):
        create_store(f"{tmp_path}/file/below", SETTINGS)


def test_a_store_of_a_newer_format_is_neither_opened_nor_made_anew(tmp_path: Path) -> None:
    newer = b'{"format":2,"id":"00112233445566778899aabbccddeeff"}'
    (tmp_path / MARKER_KEY).write_bytes(newer)
    for call in (open_store, create_store):
        with pytest.raises(StoreFormat, match="store format 2, this version reads 1"):
            call(f"file://{tmp_path}", SETTINGS)
    assert (tmp_path / MARKER_KEY).read_bytes() == newer
