"""What the record of a run says besides its reads: code, image, variables; what is unused, missing, undeclared;
and that secrets are nowhere."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from vfs.run.watching import may_watch

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]

pytestmark = pytest.mark.mount
SECRET = "rr-hunter2-geheim"
ZSTD = bytes.fromhex("28b52ffd")


@pytest.fixture
def inputs(vfs: Vfs) -> tuple[str, ...]:
    """Two repos with a file each, as options of a run."""
    vfs("init")
    for name in ("rra", "rrb"):
        vfs("repo", "create", name)
        vfs("put", name, "-", "--prefix", "words", input=name.encode())
    return ("-i", "rra", "-i", "rrb")


def record_of(vfs: Vfs, revision: str) -> Any:
    return json.loads(vfs("show", "--json", revision).stdout)["record"]


def repos(vfs: Vfs) -> list[str]:
    return [found["name"] for found in json.loads(vfs("repo", "list", "--json").stdout)]


def test_what_was_unused_and_missing_is_said_and_strict_refuses_it(vfs: Vfs, inputs: tuple[str, ...]) -> None:
    script = "cat /pfs/rra/words > /pfs/out/x; cat /pfs/rra/none 2>/dev/null; true"
    done = vfs("run", *inputs, "-o", "rrout", "--strict=undeclared" if may_watch() else "--", "sh", "-c", script)
    said = done.stderr.decode().splitlines()
    assert "unused: 1 input (rrb) given, and nothing of it read or listed" in said
    assert "missing: 1 name (/pfs/rra/none) looked up in the inputs" in said
    shown = vfs("show", "--full", "rrout").stdout.decode()
    assert [line.split() for line in shown.splitlines() if line.startswith(("unused", "missing  "))] == [
        ["unused", "rrb"],
        ["missing", "1", "name"],
    ]
    assert shown.partition("environment:")[0].count(script) == 1
    record = record_of(vfs, "rrout")
    assert [(one["path"], one["input"]) for one in record["absent"]] == [("none", 0)]

    refused = vfs("run", *inputs, "-o", "rrno", "--strict=unused,missing", "sh", "-c", script, ok=False)
    last = refused.stderr.decode().splitlines()[-1]
    assert refused.returncode == 1 and "rrno" not in repos(vfs)
    assert last.startswith("vfs: run: --strict: unused: 1 input (rrb)") and "; missing: 1 name" in last
    assert (Path(last.rpartition(" is kept in ")[2]) / "x").read_text() == "rra"


def test_strict_alone_is_all_of_it_and_takes_no_word_of_the_command(vfs: Vfs, inputs: tuple[str, ...]) -> None:
    if not may_watch():
        done = vfs("run", *inputs, "-o", "rrout", "--strict", "cat", "--strict", ok=False)
        assert done.returncode == 1 and b"nothing was started" in done.stderr
        return
    words = ("sh", "-c", "cat /pfs/rra/words /pfs/rrb/words > /pfs/out/x", "--strict")
    done = vfs("run", *inputs, "-o", "rrout", "--strict", *words)
    assert not [line for line in done.stderr.decode().splitlines() if line.startswith(("unused", "missing", "undecl"))]
    assert record_of(vfs, "rrout")["command"] == list(words)
    wrong = vfs("run", *inputs, "-o", "rrout", "--strict=unsued", "true", ok=False)
    assert wrong.returncode == 2 and b"'unsued' is none of unused, undeclared, missing" in wrong.stderr


@pytest.mark.root
def test_files_of_elsewhere_and_of_other_mounts_are_undeclared(
    vfs: Vfs, inputs: tuple[str, ...], isolated: Path, mountpoint: Path
) -> None:
    if not may_watch():
        done = vfs("run", *inputs, "-o", "rrout", "--trace-outside", "true", ok=False)
        assert done.returncode == 1 and b"nothing was started" in done.stderr
        return
    (isolated / "rr-elsewhere").write_text("x")
    vfs("mount", "rrb", mountpoint)
    script = f"cat /pfs/rra/words {isolated}/rr-elsewhere {mountpoint}/words > /pfs/out/x; ls /pfs/rrb > /dev/null"
    traced = vfs("run", *inputs, "-o", "rrout", "--trace-outside", "sh", "-c", script)
    expected = f"undeclared: 2 files ({mountpoint}/words, {isolated}/rr-elsewhere) opened outside of the inputs"
    assert expected in traced.stderr.decode().splitlines()
    assert f"{isolated}/rr-elsewhere" in {one["path"] for one in record_of(vfs, "rrout")["outside"]}
    refused = vfs("run", *inputs, "-o", "rrno", "--strict=undeclared", "sh", "-c", script, ok=False)
    assert refused.returncode == 1 and "rrno" not in repos(vfs)
    vfs("umount", mountpoint)


def test_code_image_and_named_variables_also_of_a_run_that_failed(
    vfs: Vfs, inputs: tuple[str, ...], isolated: Path
) -> None:
    tree = isolated / "rrcode"
    tree.mkdir()
    (tree / "rrstep.sh").write_text("cat /pfs/rra/words > /pfs/out/x; exit $RR_CODE\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tree)]
    for words in (["init", "-q", "-b", "trunk"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True, timeout=60)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, timeout=60, capture_output=True).stdout.decode()
    (tree / "rrnew").touch()
    words = ("--image", "rr/image:1", "--record-env", "RR_CODE", "--", "sh", "rrstep.sh")
    vfs("run", *inputs, "-o", "rrout", *words, cwd=tree, env={"RR_CODE": "0", "RR_OTHER": "x"})
    record = record_of(vfs, "rrout")
    assert [(one["role"], one["commit"], one["branch"], one["dirty"]) for one in record["code"]] == [
        ("cwd", head.strip(), "trunk", True),
        ("script", head.strip(), "trunk", True),
    ]
    assert record["code"][1]["path"] == str(tree / "rrstep.sh") and record["code"][1]["digest"]
    assert (record["image"], record["environment"].get("RR_CODE")) == ("rr/image:1", "0")
    assert "RR_OTHER" not in record["environment"]
    shown = vfs("show", "rrout").stdout.decode()
    assert f"commit {head[:12]} of trunk, changed" in shown and "rr/image:1" in shown

    failed = vfs("run", *inputs, "-o", "rrno", *words, cwd=tree, env={"RR_CODE": "7"}, ok=False)
    assert failed.returncode == 7
    sessions = json.loads(vfs("journal", "list", "--json").stdout)
    (session,) = [one["session"] for one in sessions if one["exit_code"] == 7]
    kept = json.loads(vfs("journal", "session", session[:12], "--json").stdout)
    assert kept["is_ended"] and kept["record"]["exit_code"] == 7
    assert kept["record"]["code"] == record["code"] and kept["record"]["image"] == "rr/image:1"
    assert [read["path"] for read in kept["record"]["reads"]] == ["words"]
    lines = vfs("journal", "session", session, "--full").stdout.decode().splitlines()
    assert ["exit", "code", "7"] in [line.split() for line in lines]

    for name, code, said in (("RR_TOKEN", 1, b"looks secret"), ("RR-X", 2, b"not a name")):
        done = vfs("run", *inputs, "-o", "rrno", "--record-env", name, "true", ok=False)
        assert done.returncode == code and said in done.stderr
    assert vfs("journal", "session", "nope", ok=False).returncode == 1


def test_secrets_are_nowhere(vfs: Vfs, inputs: tuple[str, ...], isolated: Path, mountpoint: Path) -> None:
    variables = {"RR_PASSWORD": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET, "LC_TOKEN": SECRET, "RR_PLAIN": SECRET}
    script = (
        f"cat /pfs/rra/words > /pfs/out/x; RR_TOKEN={SECRET} sh -c 'cat /pfs/rrb/words' --api-key {SECRET}; exit $1"
    )
    for code in ("0", "3"):
        words = ("sh", "-c", script, "sh", code, "--password", SECRET, f"--token={SECRET}", f"http://a:{SECRET}@b/")
        done = vfs("run", *inputs, "-o", "rrout", "--", *words, env=variables, ok=False)
        assert done.returncode == int(code)
    assert b"***" in vfs("show", "rrout").stdout
    vfs("mount", "--rw", "rra", mountpoint, env=variables)
    subprocess.run(
        ["sh", "-c", f"cat {mountpoint}/words; echo x > {mountpoint}/y", "--password", SECRET],
        check=True,
        timeout=60,
        env={**os.environ, **variables},
        stdout=subprocess.DEVNULL,
    )
    vfs("commit", mountpoint, "-m", "plain", "--author", "token: none", env=variables)
    vfs("umount", mountpoint)
    found = [str(path) for path, data in contents(isolated) if SECRET.encode() in data]
    assert not found
    # The search finds what is there: compressed records, and the journal's rows.
    assert {path.relative_to(isolated).parts[0] for path, data in contents(isolated) if b"/pfs/rra/words" in data} >= {
        "state",
        "store",
    }


def contents(directory: Path) -> Iterator[tuple[Path, bytes]]:
    """All files of the state directory and the store, and what is compressed in them."""
    for path in (path for name in ("state", "store") for path in (directory / name).rglob("*") if path.is_file()):
        data = path.read_bytes()
        yield path, data
        place = data.find(ZSTD)
        while place >= 0:
            with contextlib.suppress(zstandard.ZstdError):
                yield path, zstandard.ZstdDecompressor().decompressobj().decompress(data[place:])
            place = data.find(ZSTD, place + 1)
