"""What a mount shows is what was put in, to programs that know nothing of vfs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from trees import big_file, described, many_files, peculiar

pytestmark = pytest.mark.mount

Vfs = Callable[..., Any]
Shell = Callable[..., str]
Mounted = Callable[..., Path]


@pytest.mark.timeout(300)
def test_ten_thousand_files_are_the_source(
    isolated: Path, repo: str, vfs: Vfs, mounted: Mounted, shell: Shell
) -> None:
    source = isolated / "source"
    many_files(source, 10_000)
    shell(f"find . -type f -print0 | sort -z | xargs -0 sha256sum > {isolated}/sums", cwd=source)
    vfs("put", repo, f"{source}/", "-m", "ten thousand files", timeout=200)
    mount = mounted(repo)
    shell(f"diff -r {source} {mount}")
    assert shell(f"sha256sum --quiet -c {isolated}/sums", cwd=mount) == ""
    assert described(mount) == described(source)


@pytest.mark.timeout(300)
def test_one_gibibyte_is_the_source(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted, shell: Shell) -> None:
    source = isolated / "source"
    source.mkdir()
    big_file(source / "big.bin", 1 << 30)
    shell(f"sha256sum big.bin > {isolated}/sums", cwd=source)
    vfs("put", repo, source / "big.bin", "-m", "one file", timeout=200)
    mount = mounted(repo)
    assert (mount / "big.bin").stat().st_size == 1 << 30
    shell(f"diff -r {source} {mount}")
    shell(f"sha256sum --quiet -c {isolated}/sums", cwd=mount)
    with (mount / "big.bin").open("rb") as stream, (source / "big.bin").open("rb") as original:
        for offset in (0, 1, 4095, 256 * 1024 - 1, 1 << 20, (1 << 29) + 7, (1 << 30) - 10, 1 << 30):
            stream.seek(offset)
            original.seek(offset)
            assert stream.read(100_000) == original.read(100_000)


def test_peculiar_names_links_modes_and_holes_round_trip(
    isolated: Path, repo: str, vfs: Vfs, mounted: Mounted, shell: Shell
) -> None:
    source = isolated / "source"
    source.mkdir()
    peculiar(source)
    vfs("put", repo, f"{source}/")
    mount = mounted(repo)
    assert described(mount) == described(source)
    shell(f"diff -r --no-dereference {source} {mount}")
    holes = mount / "holes"
    assert holes.stat().st_size == 200 << 20
    assert holes.stat().st_blocks * 512 < 1 << 20
    target = isolated / "exported"
    vfs("export", repo, target)
    assert described(target) == described(source)
    shell(f"diff -r --no-dereference {source} {target}")
    assert (target / "holes").stat().st_blocks * 512 < 1 << 20


@pytest.mark.timeout(300)
def test_a_directory_of_a_hundred_thousand_entries(
    isolated: Path, repo: str, vfs: Vfs, mounted: Mounted, shell: Shell
) -> None:
    source = isolated / "source" / "wide"
    source.mkdir(parents=True)
    for number in range(100_000):
        (source / f"entry-{number:06d}").write_bytes(b"%d\n" % number)
    vfs("put", repo, source, timeout=200)
    mount = mounted(repo)
    names = os.listdir(mount / "wide")
    assert len(names) == 100_000
    assert set(names) == set(os.listdir(source))
    assert shell(f"find {mount} -type f | wc -l").strip() == "100000"
    for number in (0, 1, 4096, 50_000, 99_999):
        assert (mount / "wide" / f"entry-{number:06d}").read_text() == f"{number}\n"
    with pytest.raises(FileNotFoundError):
        os.stat(mount / "wide" / "entry-100000")
    every_tenth = "find . -type f -print0 | sort -z | sed -zn '1~10p' | xargs -0 cat | sha256sum"
    assert shell(every_tenth, cwd=mount / "wide") == shell(every_tenth, cwd=source)


def test_user_attributes_round_trip(isolated: Path, repo: str, vfs: Vfs, mounted: Mounted) -> None:
    source = isolated / "source"
    source.mkdir()
    (source / "file").write_text("with attributes\n")
    try:
        os.setxattr(source / "file", "user.origin", b"a camera")
        os.setxattr(source / "file", "user.raw", bytes(range(256)))
    except OSError as error:
        pytest.skip(f"{source} has no user attributes: {error}")
    vfs("put", repo, f"{source}/")
    target = isolated / "exported"
    vfs("export", repo, target)
    for place in (mounted(repo), target):
        assert sorted(os.listxattr(place / "file")) == ["user.origin", "user.raw"]
        assert os.getxattr(place / "file", "user.origin") == b"a camera"
        assert os.getxattr(place / "file", "user.raw") == bytes(range(256))


def test_every_repo_branch_tag_and_commit_is_a_directory(
    isolated: Path, repo: str, vfs: Vfs, mounted: Mounted
) -> None:
    (isolated / "one").write_text("first\n")
    vfs("put", repo, isolated / "one")
    vfs("tag", "create", f"{repo}@v1")
    (isolated / "two").write_text("second\n")
    vfs("put", repo, isolated / "two")
    commits = [item["commit"] for item in json.loads(vfs("log", "--json", repo).stdout)]
    mount = mounted("--all")
    assert os.listdir(mount) == [repo]
    assert sorted(os.listdir(mount / repo)) == ["@commits", "main", "v1"]
    assert sorted(os.listdir(mount / repo / "@commits")) == sorted(commits)
    assert sorted(os.listdir(mount / repo / "main")) == ["one", "two"]
    assert sorted(os.listdir(mount / repo / "v1")) == ["one"]
    assert (mount / repo / "@commits" / commits[0] / "two").read_text() == "second\n"
    with pytest.raises(FileNotFoundError):
        os.stat(mount / "no-such-repo")
