"""Commands about history: log, show, diff, branches, tags, lineage, journal."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def repo(vfs: Vfs, isolated: Path) -> str:
    """The repo `notes`, whose main has two commits: a.txt changed, b.txt removed, c.txt added."""
    vfs("init")
    vfs("repo", "create", "notes")
    tree = isolated / "tree"
    tree.mkdir()
    (tree / "a.txt").write_text("one\ntwo\nthree\n")
    (tree / "b.txt").write_text("gone soon\n")
    (tree / "bytes").write_bytes(b"\0\1\2")
    vfs("put", "notes", f"{tree}/", "-m", "first\n\nwith a body")
    (tree / "a.txt").write_text("one\n2\nthree")
    (tree / "bytes").write_bytes(b"\0\1\3")
    (tree / "c.txt").write_text("new\n")
    vfs("put", "notes", f"{tree}/", "-m", "second")
    vfs("rm", "notes:b.txt", "-m", "third")
    return "notes"


def parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def test_log_is_newest_first_and_can_be_cut(vfs: Vfs, repo: str) -> None:
    commits = parsed(vfs("log", "--json", repo))
    assert [found["message"].partition("\n")[0] for found in commits] == ["third", "second", "first"]
    assert commits[0]["parents"] == [commits[1]["commit"]]
    assert [found["message"] for found in parsed(vfs("log", "--json", "-n", "1", f"{repo}~1"))] == ["second"]
    assert vfs("log", "--oneline", f"{repo}:b.txt").stdout.decode().split("\n")[0].endswith("third")
    assert "    with a body\n" in vfs("log", repo).stdout.decode()


def test_show_has_the_record_of_how_it_was_made(vfs: Vfs, repo: str) -> None:
    found = parsed(vfs("show", "--json", f"{repo}~1"))
    assert found["record"]["kind"] == "put" and found["record"]["command"][:3] == ["vfs", "put", "notes"]
    assert found["author"] == "tester@example.org"
    assert b"made by" in vfs("show", repo).stdout


def test_a_commit_is_found_by_the_start_of_its_id(vfs: Vfs, repo: str) -> None:
    id = parsed(vfs("show", "--json", repo))["commit"]
    assert vfs("ls", f"{repo}@{id[:8]}").stdout == vfs("ls", repo).stdout


def test_diff_has_letters_totals_json_and_lines(vfs: Vfs, repo: str) -> None:
    sides = (f"{repo}~2", repo)
    assert vfs("diff", *sides).stdout == b"M  a.txt\nD  b.txt\nM  bytes\nA  c.txt\n"
    assert vfs("diff", "--stat", *sides).stdout.startswith(b"1 added, 2 changed, 1 deleted, ")
    assert {found["path"]: found["change"] for found in parsed(vfs("diff", "--json", *sides))} == {
        "a.txt": "M",
        "b.txt": "D",
        "bytes": "M",
        "c.txt": "A",
    }
    lines = vfs("diff", "-p", *sides).stdout.decode()
    assert "-two\n" in lines and "+2\n" in lines and "+three\n\\ No newline at end of file\n" in lines
    assert "M  bytes\n   not text, or over 1 MiB\n" in lines
    assert "--- a/b.txt\n+++ /dev/null\n" in lines


def test_diff_shows_times_of_directories_where_nothing_else_changed(vfs: Vfs, repo: str, isolated: Path) -> None:
    tree = isolated / "tree"
    (tree / "kept").mkdir(parents=True)
    (tree / "kept/file").write_text("x")
    vfs("put", f"{repo}@times", f"{tree}/")
    os.utime(tree / "kept", ns=(0, 10**18))
    vfs("put", f"{repo}@times", f"{tree}/")
    sides = (f"{repo}@times~1", f"{repo}@times")
    assert vfs("diff", *sides).stdout == b"P  kept\n"
    assert vfs("diff", "--stat", *sides).stdout.startswith(b"1 touched")
    assert vfs("diff", "--exit-code", *sides, ok=False).returncode == 1
    (tree / "file").write_text("y")
    vfs("put", f"{repo}@times", f"{tree}/")
    assert vfs("diff", f"{repo}@times~2", f"{repo}@times").stdout == b"A  file\n"


def test_diff_tells_by_its_exit_code_when_asked(vfs: Vfs, repo: str) -> None:
    assert vfs("diff", f"{repo}~2", repo).returncode == 0
    assert vfs("diff", "--exit-code", f"{repo}~2", repo, ok=False).returncode == 1
    assert vfs("diff", "--exit-code", repo, repo).stdout == b""
    assert vfs("diff", "--stat", repo, repo).stdout == b"no changes\n"


def test_branches_are_made_moved_listed_and_deleted(vfs: Vfs, repo: str) -> None:
    vfs("branch", "create", f"{repo}@old", f"{repo}~2")
    assert vfs("cat", f"{repo}@old:b.txt").stdout == b"gone soon\n"
    assert vfs("branch", "create", f"{repo}@old", ok=False).returncode == 1
    assert b"moved from" in vfs("branch", "move", f"{repo}@old", repo).stdout
    assert vfs("ls", f"{repo}@old").stdout == vfs("ls", repo).stdout
    assert [found["name"] for found in parsed(vfs("branch", "list", "--json", repo))] == ["main", "old"]
    vfs("branch", "delete", f"{repo}@old")
    assert vfs("ls", f"{repo}@old", ok=False).returncode == 1


def test_tags_stay_where_they_are(vfs: Vfs, repo: str) -> None:
    vfs("tag", "create", f"{repo}@v1", f"{repo}~1")
    vfs("put", repo, "-", "--prefix", "later", input=b"later")
    assert vfs("log", "--oneline", f"{repo}@v1").stdout.count(b"\n") == 2
    done = vfs("put", f"{repo}@v1", "-", "--prefix", "x", input=b"", ok=False)
    assert done.returncode == 1 and b"is a tag" in done.stderr
    assert vfs("tag", "list", repo).stdout.split(b"\n")[1].startswith(b"v1 ")
    vfs("tag", "delete", f"{repo}@v1")
    assert parsed(vfs("tag", "list", "--json", repo)) == []


def test_a_repo_without_tags_or_branches_says_how_to_make_one(vfs: Vfs, repo: str) -> None:
    done = vfs("tag", "list", repo)
    assert done.stdout == b"" and done.stderr == b"notes: no tags yet; vfs tag create notes@NAME makes one\n"
    vfs("repo", "create", "empty")
    assert b"no branches yet; vfs branch create empty@NAME" in vfs("branch", "list", "empty").stderr


@pytest.mark.parametrize("named", ["notes", "notes@a~1", "notes@a:path", "other@a"])
def test_a_label_is_a_repo_and_a_name(vfs: Vfs, repo: str, named: str) -> None:
    done = vfs("branch", "create", named, repo, ok=False)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1


def test_a_repo_with_commits_needs_force_to_go(vfs: Vfs, repo: str) -> None:
    assert b"--force" in vfs("repo", "delete", repo, ok=False).stderr
    vfs("repo", "delete", repo, "--force")
    assert parsed(vfs("repo", "list", "--json")) == []


def test_lineage_comes_in_every_format(vfs: Vfs, repo: str, isolated: Path) -> None:
    assert b"vfs put notes" in vfs("lineage", f"{repo}:a.txt").stdout
    graph = parsed(vfs("lineage", repo, "--json"))
    assert graph["direction"] == "up" and graph["nodes"]
    assert parsed(vfs("lineage", f"{repo}~2", "--down", "--format", "json"))["direction"] == "down"
    for form, start in (("dot", b"digraph"), ("mermaid", b"flowchart")):
        assert start in vfs("lineage", repo, "--format", form).stdout
    out = isolated / "graph.mmd"
    assert vfs("lineage", repo, "-o", out).stdout.endswith(b"graph.mmd\n")
    assert "flowchart" in out.read_text()


def test_a_journal_that_was_changed_is_noticed(vfs: Vfs, repo: str, isolated: Path) -> None:
    import sqlite3

    vfs("journal", "show")
    with sqlite3.connect(isolated / "state" / "journal.db") as database:
        rows = ("INSERT INTO records(seq, time_ns, kind, body, previous, hash) VALUES(1, 0, 'gap', x'', ?, ?)",)
        database.execute(rows[0], (bytes(32), bytes(32)))
    database.close()
    done = vfs("journal", "verify", ok=False)
    assert done.returncode == 5 and b"record 1" in done.stderr
    assert parsed(vfs("journal", "verify", "--json", ok=False))["problems"]


def test_the_journal_can_be_rebuilt(vfs: Vfs, repo: str) -> None:
    assert vfs("journal", "rebuild").stdout.startswith(b"tables rebuilt from ")
