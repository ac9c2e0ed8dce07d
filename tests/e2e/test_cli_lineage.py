"""Lineage, impact and blame of real runs, by the command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


def parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


@pytest.fixture
def scans(vfs: Vfs, isolated: Path) -> str:
    """The repo `scans` with p1 and p2, at v1."""
    vfs("init")
    vfs("repo", "create", "scans")
    tree = isolated / "linscans"
    tree.mkdir()
    (tree / "p1").write_text("one\n")
    (tree / "p2").write_text("two\n")
    vfs("put", "scans", f"{tree}/", "-m", "first scans")
    vfs("tag", "create", "scans@v1", "scans")
    return "scans"


def files_read(graph: Any) -> dict[str, list[str]]:
    return {
        node["repo"]: [item["path"] for item in node["files"]] for node in graph["nodes"] if node["type"] == "files"
    }


@pytest.mark.mount
def test_outputs_of_real_runs_lead_to_their_own_inputs(vfs: Vfs, scans: str) -> None:
    """`cp` opens what it reads and what it writes itself: each copy has one source, through two runs."""
    copy = "cp /pfs/scans/p1 /pfs/out/c1; cp /pfs/scans/p2 /pfs/out/c2"
    vfs("run", "-i", scans, "-o", "clean", "--", "sh", "-c", copy)
    vfs(
        "run",
        "-i",
        "clean",
        "-o",
        "report",
        "--",
        "sh",
        "-c",
        "cp /pfs/clean/c1 /pfs/out/index; cp /pfs/clean/c2 $VFS_OUT",
    )
    one = parsed(vfs("lineage", "report:index", "--json"))
    assert files_read(one) == {"clean": ["c1"], "scans": ["p1"]}
    assert {node["scope"] for node in one["nodes"] if node["type"] == "run" and node["kind"] == "run"} == {"own"}
    whole = parsed(vfs("lineage", "report:index", "--whole-run", "--json"))
    assert files_read(whole) == {"clean": ["c1", "c2"], "scans": ["p1", "p2"]}
    assert b"--whole-run shows all" in vfs("lineage", "report:index").stdout
    found = {commit["repo"]: commit for commit in parsed(vfs("impact", f"{scans}:p2", "--json"))["commits"]}
    assert found["clean"]["direct"] == [{"path": "c2"}] and found["clean"]["possible"] == [{"path": "c1"}]
    assert found["report"]["direct"] == [{"path": "c2"}] and found["report"]["possible"] == [{"path": "index"}]
    assert found["report"]["refs"] == ["branch main"]
    (line,) = parsed(vfs("blame", "report:index", "--json"))["versions"]
    assert (line["inputs"], line["narrowed"]) == (1, True)
    vfs("rm", f"{scans}:p2", "-m", "withdrawn")
    gone = vfs("impact", f"{scans}:p2", ok=False)
    assert gone.returncode == 1 and b"no path p2" in gone.stderr
    text = vfs("impact", f"{scans}@v1:p2").stdout.decode()
    assert "still in tag v1" in text and "clean@" in text and "report@" in text


def test_nothing_downstream_is_no_error(vfs: Vfs, scans: str) -> None:
    done = vfs("impact", f"{scans}:p1")
    assert done.stdout.endswith(b"nothing in this store was made from it\n")
    assert parsed(vfs("impact", scans, "--json"))["commits"] == []


def test_every_format_of_impact_and_blame_is_written(vfs: Vfs, scans: str, isolated: Path) -> None:
    for command in ("impact", "blame"):
        for form in ("dot", "mermaid", "openlineage", "prov", "rocrate", "html"):
            vfs(command, f"{scans}:p1", "--format", form)
        out = isolated / f"{command}.json"
        vfs(command, f"{scans}:p1", "-o", out)
        assert json.loads(out.read_text())["subject"] == command


def test_words_that_do_not_fit_are_refused(vfs: Vfs, scans: str) -> None:
    assert vfs("lineage", "--down", "--whole-run", scans, ok=False).returncode == 2
    for command in ("lineage", "impact", "blame"):
        for revision, status in ((f"{scans}:none", 1), ("nowhere:p1", 1), (f"{scans}@nothing:p1", 1)):
            done = vfs(command, revision, ok=False)
            assert done.returncode == status and done.stderr.startswith(b"vfs: ") and done.stderr.count(b"\n") == 1


def test_a_damaged_commit_is_named(vfs: Vfs, scans: str, isolated: Path) -> None:
    (commit,) = list((isolated / "store" / "repos" / scans / "commits").iterdir())
    data = bytearray(commit.read_bytes())
    data[40] ^= 1
    commit.chmod(0o600)
    commit.write_bytes(data)
    for command in ("lineage", "impact", "blame"):
        done = vfs(command, scans, ok=False)
        assert done.returncode == 5 and commit.name.encode() in done.stderr
