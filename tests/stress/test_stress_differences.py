"""The differences from a plain directory that docs/SEMANTICS.md lists: each is there, and is all there is of it."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(120)]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "SEMANTICS.md"
_GETFLAGS = 0x80086601
_OVERLAYFS, _STATFS_WORDS = 0x794C7630, 32
_HOLE = 1 << 20


def fill(top: Path) -> None:
    (top / "directory" / "below").mkdir(parents=True)
    (top / "file").write_bytes(b"committed")
    (top / "twin").hardlink_to(top / "file")
    with open(top / "sparse", "wb") as sparse:
        sparse.seek(_HOLE)
        sparse.write(b"data")


def seen_through_an_older_mapping(top: Path) -> object:
    fd = os.open(top / "file", os.O_RDONLY)
    try:
        with mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as view:
            with open(top / "file", "r+b") as file:
                file.write(b"rewritten")
            return view[:]
    finally:
        os.close(fd)


def hard_links(top: Path) -> object:
    with open(top / "file", "ab") as file:
        file.write(b", and more")
    return (top / "twin").read_bytes()


def links_of_a_directory(top: Path) -> object:
    return (top / "directory").stat().st_nlink


def links_of_a_removed_file(top: Path) -> object:
    with open(top / "file", "rb") as file:
        (top / "twin").unlink()
        (top / "file").unlink()
        return os.fstat(file.fileno()).st_nlink


def holes(top: Path) -> object:
    with open(top / "sparse", "rb") as file:
        return os.lseek(file.fileno(), 0, os.SEEK_DATA)


def file_flags(top: Path) -> object:
    fd = os.open(top / "twin", os.O_RDONLY)
    try:
        fcntl.ioctl(fd, _GETFLAGS, b"\0" * 8)
        return "given"
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    finally:
        os.close(fd)


def whiteout_device(top: Path) -> object:
    try:
        os.mknod(top / "device", stat.S_IFCHR | 0o600, os.makedev(0, 0))
        return "made"
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def kind_of_file_system(top: Path) -> object:
    words = (ctypes.c_long * _STATFS_WORDS)()
    assert ctypes.CDLL(None).statfs(os.fsencode(top), words) == 0
    return words[0] == _OVERLAYFS


KNOWN: dict[str, tuple[Callable[[Path], object], object, object]] = {
    "older mapping": (seen_through_an_older_mapping, b"rewritten", b"committed"),
    "hard links": (hard_links, b"committed, and more", b"committed"),
    "link count of a directory": (links_of_a_directory, 3, 1),
    "link count of a removed file": (links_of_a_removed_file, 0, 2),
    "holes": (holes, _HOLE, 0),
    "file flags": (file_flags, "given", "ENOTTY"),
    "device 0:0": (whiteout_device, "made", "EPERM"),
    "kind of file system": (kind_of_file_system, False, True),
}
"""By the words that the page begins an item with: what to do, its result on ext4, its result on a writable mount."""


@pytest.mark.parametrize("name", KNOWN)
def test_a_difference_is_as_it_is_written_down(name: str, place: Place) -> None:
    place.begin(fill)
    do, plain, mounted = KNOWN[name]
    assert (do(place.plain), do(place.mount)) == (plain, mounted)


def test_setuid_and_fifos_are_not_in_the_commit_and_hard_links_are(place: Place) -> None:
    place.begin(fill)
    os.mkfifo(place.mount / "fifo")
    (place.mount / "program").write_bytes(b"p")
    (place.mount / "program").chmod(0o4755)
    (place.mount / "second").hardlink_to(place.mount / "program")
    assert (place.mount / "program").stat().st_nlink == 2 and stat.S_ISFIFO((place.mount / "fifo").stat().st_mode)
    fresh = place.fresh()
    assert sorted(os.listdir(fresh)) == ["directory", "file", "program", "second", "sparse", "twin"]
    found = (fresh / "program").stat()
    assert stat.S_IMODE(found.st_mode) == 0o755 and found.st_nlink == 2
    assert (fresh / "second").read_bytes() == b"p"


def test_the_page_lists_every_known_difference() -> None:
    section = PAGE.read_text().split("## Differences from ext4", 1)[1].split("\n## ", 1)[0]
    assert set(KNOWN) <= {item.lower() for item in re.findall(r"^\| \*\*(.+?)\*\*", section, flags=re.MULTILINE)}
