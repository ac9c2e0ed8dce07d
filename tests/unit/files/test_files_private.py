from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.errors import LocalDenied, LocalIOError
from vfs.files.private import private_dir


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_it_is_made_with_its_parents_and_for_us_alone(tmp_path: Path) -> None:
    made = private_dir(tmp_path / "a" / "b" / "c")
    assert made == tmp_path / "a" / "b" / "c"
    assert mode(made) == 0o700


def test_the_umask_does_not_matter(tmp_path: Path) -> None:
    old = os.umask(0o277)
    try:
        made = private_dir(tmp_path / "d")
    finally:
        os.umask(old)
    assert mode(made) == 0o700


def test_one_that_is_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(0o777)
    (tmp_path / "d" / "kept").write_bytes(b"x")
    assert mode(private_dir(tmp_path / "d")) == 0o700
    assert (tmp_path / "d" / "kept").exists()


def test_a_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(LocalDenied, match="link: cannot be used as a private directory: it is a symlink"):
        private_dir(tmp_path / "link")


def test_a_dangling_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(LocalDenied, match="symlink"):
        private_dir(tmp_path / "link")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(LocalIOError, match="not a directory"):
        private_dir(tmp_path / "file")
    with pytest.raises(LocalIOError, match="below: cannot be used as a private directory: file exists"):
        private_dir(tmp_path / "file" / "below")


@pytest.mark.root
def test_the_directory_of_someone_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    with pytest.raises(LocalDenied, match="belongs to user 12345"):
        private_dir(tmp_path / "theirs")
