"""Trees of real files for end-to-end tests, and what identifies a tree for a program that knows nothing of vfs."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path


def library_files() -> Iterator[Path]:
    """Regular files of the standard library and of the installed packages, in a fixed order."""
    for place in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")):
        for directory, names, files in os.walk(place):
            names.sort()
            yield from (Path(directory, name) for name in sorted(files) if not Path(directory, name).is_symlink())


def many_files(root: Path, count: int, *, per_directory: int = 100, largest: int = 64 * 1024) -> int:
    """`count` files cut from real ones, in directories of 100; the bytes written."""
    written = 0
    sources = list(library_files())
    for number in range(count):
        if number % per_directory == 0:
            directory = root / f"part-{number // per_directory:04d}" / "files"
            directory.mkdir(parents=True)
        source = sources[number % len(sources)]
        with source.open("rb") as stream:
            data = stream.read(largest)
        # The number makes files cut from one source differ, as real versions of a file do.
        data = data + str(number // len(sources)).encode()
        (directory / f"{number:06d}{source.suffix}").write_bytes(data)
        written += len(data)
    return written


def big_file(path: Path, size: int) -> None:
    """A file of exactly `size` bytes: one real file after the other, each round marked as another edition."""
    left, edition = size, 0
    with path.open("wb") as out:
        while left:
            edition += 1
            for source in library_files():
                data = f"{source} edition {edition}\n".encode() + source.read_bytes()
                out.write(data[:left])
                left -= min(left, len(data))
                if not left:
                    break


def peculiar(root: Path) -> None:
    """Everything a file system lets a user do with names, links, modes, times and holes."""
    raw = os.fsencode(root)
    for name in (b"caf\xe9-latin1", b"\xff\xfe", b"new\nline", b"-leading-dash", b"...", b" ", b"tab\tin", b"\x01\x02"):
        _write(raw + b"/" + name, name)
    for name in (b"Case", b"case", b"cASE", "e\u0301".encode(), "\u00e9".encode(), b"n" * 255, b"\xe9" * 255):
        _write(raw + b"/" + name, b"I am " + name)
    (root / "empty-dir" / "in" / "in").mkdir(parents=True)
    (root / "empty-file").touch()
    (root / "relative").symlink_to("./empty-file")
    (root / "up-and-down").symlink_to("../" + root.name + "/empty-file")
    (root / "absolute").symlink_to("/etc/passwd")
    (root / "dangling").symlink_to("no/such/place")
    (root / "loop").symlink_to("loop")
    os.symlink(b"\xff\xfe", raw + b"/link-to-raw")
    deep = root / "deep"
    for level in range(60):
        deep = deep / f"level-{level}"
    deep.mkdir(parents=True)
    (deep / "bottom").write_text("sixty down\n")
    _sparse(root / "holes")
    for mode in (0o400, 0o444, 0o600, 0o644, 0o700, 0o755, 0o777):
        path = root / f"mode-{mode:o}"
        path.write_text(oct(mode))
        path.chmod(mode)
    os.utime(root / "mode-644", ns=(1, 1_234_567_890_123_456_789))
    os.utime(root / "mode-755", ns=(0, 0))
    os.utime(root / "empty-dir", ns=(5, 946_684_800_000_000_001))


def _write(path: bytes, data: bytes) -> None:
    with open(path, "wb") as out:
        out.write(data)


def _sparse(path: Path) -> None:
    with path.open("wb") as out:
        out.write(b"head" * 1024)
        out.seek(64 << 20)
        out.write(b"middle" * 4096)
        out.truncate(200 << 20)


def described(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Each path below `root` with its type, permission bits, size, mtime and link target."""
    found: dict[bytes, tuple[object, ...]] = {}
    top = os.fsencode(root)
    for directory, names, files in os.walk(top):
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            kind = info.st_mode >> 12
            link = os.readlink(path) if kind == 0o12 else None
            size = info.st_size if kind == 0o10 else None
            mode = None if kind == 0o12 else info.st_mode & 0o777
            found[os.path.relpath(path, top)] = (kind, mode, size, info.st_mtime_ns, link)
    return found
