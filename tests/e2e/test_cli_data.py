"""Commands that put data in, look at it and take it out, as a user types them."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]

ODD = b"n\xff\nline"


@pytest.fixture
def source(isolated: Path) -> Path:
    """A small tree with what trees hold: empty and nested directories, links, odd names, a hole."""
    top = isolated / "source"
    (top / "deep" / "er").mkdir(parents=True)
    (top / "empty").mkdir()
    (top / "a.txt").write_text("alpha\nbeta\n")
    (top / "run.sh").write_text("#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    (top / "deep" / "er" / "data").write_bytes(bytes(range(256)) * 5000)
    (top / "-dash").write_text("x")
    Path(os.fsdecode(os.fsencode(top) + b"/" + ODD)).write_text("odd")
    (top / "link").symlink_to("../nowhere")
    with (top / "sparse").open("wb") as file:
        file.truncate(1 << 20)
    return top


@pytest.fixture
def repo(vfs: Vfs, source: Path) -> str:
    """The repo `data` with `source` committed to main."""
    vfs("init")
    vfs("repo", "create", "data", "-d", "for tests")
    vfs("put", "data", f"{source}/", "-m", "first")
    return "data"


def parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout.decode("utf-8"))


def test_put_lands_like_cp_and_like_rsync(vfs: Vfs, repo: str, source: Path) -> None:
    vfs("put", f"{repo}@cp", source)
    vfs("put", f"{repo}@rsync", f"{source}/", "--prefix", "below/here")
    assert vfs("ls", f"{repo}@cp").stdout == b"source\n"
    assert vfs("ls", f"{repo}@rsync:below/here").stdout == vfs("ls", repo).stdout


def test_put_again_makes_no_commit(vfs: Vfs, repo: str, source: Path) -> None:
    before = parsed(vfs("log", repo, "--json"))
    said = parsed(vfs("put", repo, f"{source}/", "--json"))
    assert (said["changed"], said["commit"]) == (False, before[0]["commit"])
    assert parsed(vfs("log", repo, "--json")) == before


def test_put_of_standard_input_is_byte_exact(vfs: Vfs, repo: str) -> None:
    data = os.urandom(3_000_000)
    vfs("put", repo, "-", "--prefix", "in/piped", input=data)
    assert vfs("cat", f"{repo}:in/piped").stdout == data
    done = vfs("put", repo, "-", input=b"", ok=False)
    assert done.returncode == 2 and b"--prefix gives it one" in done.stderr


def test_put_skips_what_is_no_file_and_says_so(vfs: Vfs, repo: str, isolated: Path) -> None:
    odd = isolated / "odd"
    odd.mkdir()
    (odd / "file").write_text("kept")
    os.mkfifo(odd / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(os.fspath(odd / "socket"))
    done = vfs("put", f"{repo}@odd", f"{odd}/")
    listening.close()
    assert vfs("ls", f"{repo}@odd").stdout == b"file\n"
    said = done.stderr.decode()
    assert "vfs: warning: 1 fifo" in said and "vfs: warning: 1 socket" in said


def test_put_names_what_it_leaves_out(vfs: Vfs, repo: str, isolated: Path) -> None:
    # A path in a tree has at most 4,095 bytes: with this prefix the long name does not fit, the short one does.
    prefix = "/".join(["p" * 200] * 20)
    part = isolated / "part"
    part.mkdir()
    (part / "short").write_text("kept")
    (part / ("long" * 25)).write_text("does not fit")
    done = vfs("put", f"{repo}@part", f"{part}/", "--prefix", prefix, ok=False)
    assert done.returncode == 1
    assert b"longlong: its path in the tree" in done.stderr and b"1 path left out, the rest was put" in done.stderr
    assert vfs("ls", f"{repo}@part:{prefix}").stdout == b"short\n"
    said = parsed(vfs("put", f"{repo}@part", f"{part}/", "--prefix", prefix, "--json", ok=False))
    assert [found["path"] for found in said["failures"]] == [f"{part}/{'long' * 25}"]


def test_ls_gives_exact_names_to_a_pipe(vfs: Vfs, repo: str) -> None:
    names = vfs("ls", "-0", repo).stdout.split(b"\0")
    assert names == [b"-dash", b"a.txt", b"deep", b"empty", b"link", ODD, b"run.sh", b"sparse", b""]
    for name in (name for name in names if name not in (b"", b"deep", b"empty", b"link")):
        assert vfs("cat", b"data:" + name).returncode == 0
    below = vfs("ls", "-R", f"{repo}:deep").stdout
    assert below == b"er\ner/data\n"


def test_ls_long_shows_mode_size_and_target(vfs: Vfs, repo: str) -> None:
    lines = vfs("ls", "-l", repo).stdout.decode("utf-8", "surrogateescape").splitlines()
    by_name = {line.split("  ")[-1]: line for line in lines}
    assert by_name["run.sh"].startswith("-rwxr-xr-x")
    assert by_name["link -> ../nowhere"].startswith("lrwxrwxrwx")
    assert by_name["sparse"].split()[1] == "1048576"
    assert "1.0M" in vfs("ls", "-lh", f"{repo}:sparse").stdout.decode()


def test_ls_of_nothing_lists_repos(vfs: Vfs, repo: str) -> None:
    assert b"for tests" in vfs("ls").stdout
    assert [found["name"] for found in parsed(vfs("ls", "--json"))] == [repo]


def test_every_listing_has_json(vfs: Vfs, repo: str) -> None:
    vfs("tag", "create", "data@v1")
    for words in (
        ("repo", "list"), ("repo", "show", repo), ("ls", repo), ("ls", "-R", repo), ("stat", repo), ("tree", repo),
        ("du", repo), ("log", repo), ("show", repo), ("diff", repo, repo), ("branch", "list", repo),
        ("tag", "list", repo), ("verify", repo), ("lineage", repo), ("journal", "show"), ("journal", "verify"),
        ("config",), ("mounts",), ("status",),
    ):  # fmt: skip
        found = parsed(vfs(*words, "--json"))
        assert isinstance(found, (list, dict)), words


def test_json_keeps_names_that_are_not_utf8(vfs: Vfs, repo: str) -> None:
    import base64

    odd = [found for found in parsed(vfs("ls", "--json", repo)) if "path_b64" in found]
    assert [base64.b64decode(found["path_b64"]) for found in odd] == [ODD]


def test_stat_agrees_with_the_file(vfs: Vfs, repo: str, source: Path) -> None:
    (found,) = parsed(vfs("stat", "--json", f"{repo}:deep/er/data"))
    real = (source / "deep/er/data").stat()
    assert found["size"] == real.st_size and int(found["mode"], 8) == stat.S_IMODE(real.st_mode)
    assert found["mtime"].endswith(f".{real.st_mtime_ns % 10**9:09d}Z")
    text = vfs("stat", f"{repo}:deep/er/data").stdout.decode()
    assert f"digest    {found['digest']}" in text


def test_du_and_tree_agree_with_the_source(vfs: Vfs, repo: str) -> None:
    by_path = {found["path"]: found for found in parsed(vfs("du", "--json", repo))}
    assert by_path["deep"]["size"] == by_path["deep/er"]["size"] == 256 * 5000
    assert by_path[""]["entries"] == 11 and set(by_path) == {"", "deep", "deep/er", "empty"}
    assert len(parsed(vfs("du", "--json", "-s", repo))) == 1
    assert vfs("du", "-h", "-d", "1", f"{repo}:deep").stdout.split() == [
        b"1.2M",
        b"2",
        b"deep/er",
        b"1.2M",
        b"3",
        b"deep",
    ]
    drawn = vfs("tree", f"{repo}:deep").stdout.decode()
    assert drawn == "data:deep\n└── er\n    └── data\n\n1 directory, 1 file\n"
    assert b"data" not in vfs("tree", "-L", "1", repo).stdout.partition(b"\n")[2]


def test_cat_joins_files_and_takes_odd_names(vfs: Vfs, repo: str) -> None:
    done = vfs("cat", f"{repo}:a.txt", b"data:" + ODD, f"{repo}:-dash")
    assert done.stdout == b"alpha\nbeta\noddx"


@pytest.mark.parametrize("path", ["deep", "link", "nothing"])
def test_cat_of_what_is_no_file_is_refused(vfs: Vfs, repo: str, path: str) -> None:
    done = vfs("cat", f"{repo}:{path}", ok=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.startswith(f"vfs: data:{path}: ".encode()) and done.stderr.count(b"\n") == 1


def test_export_gives_the_same_tree(vfs: Vfs, repo: str, source: Path, isolated: Path) -> None:
    out = isolated / "out"
    vfs("export", repo, out)
    subprocess.run(["diff", "-r", "--no-dereference", source, out], check=True, timeout=60)
    assert (out / "run.sh").stat().st_mtime_ns == (source / "run.sh").stat().st_mtime_ns
    assert (out / "sparse").stat().st_blocks < 100
    done = vfs("export", repo, out, ok=False)
    assert done.returncode == 1 and b"not empty" in done.stderr


def test_rm_makes_a_commit_and_keeps_the_old_one(vfs: Vfs, repo: str) -> None:
    vfs("rm", f"{repo}:deep", "a.txt", "-m", "less")
    assert vfs("ls", repo).stdout.find(b"deep") == -1
    assert vfs("cat", f"{repo}~1:a.txt").stdout == b"alpha\nbeta\n"
    assert vfs("log", "--oneline", f"{repo}:a.txt").stdout.count(b"\n") == 2


def test_verify_names_damage_and_exits_with_5(vfs: Vfs, repo: str, isolated: Path) -> None:
    assert vfs("verify", repo).stdout.rstrip().endswith(b"all as committed")
    pack = max((isolated / "store" / "packs").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    done = vfs("verify", repo, ok=False)
    assert done.returncode == 5
    assert b"is damaged" in done.stderr and pack.name.encode() in done.stderr
    assert parsed(vfs("verify", repo, "--json", ok=False))["ok"] is False
