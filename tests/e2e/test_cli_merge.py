"""Commands that work on histories path by path: merge, revert, reset."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
COMMAND = (sys.executable, "-m", "vfs.cli.main")


@pytest.fixture
def repo(vfs: Vfs) -> str:
    """The repo `notes` with a and d/b on main, and branch `side` at the same commit."""
    vfs("init")
    vfs("repo", "create", "notes")
    write(vfs, "notes", "a", "one\n")
    write(vfs, "notes", "d/b", "one\n")
    vfs("branch", "create", "notes@side")
    return "notes"


def write(vfs: Vfs, revision: str, path: str, text: str) -> None:
    vfs("put", revision, "-", "--prefix", path, "-m", f"{path} written", input=text.encode())


def parsed(done: subprocess.CompletedProcess[bytes]) -> Any:
    return json.loads(done.stdout)


def id_of(vfs: Vfs, revision: str) -> str:
    return str(parsed(vfs("show", "--json", revision))["commit"])


def listed(vfs: Vfs, revision: str) -> list[str]:
    return [found["path"] for found in parsed(vfs("ls", "-R", "--json", revision)) if found["kind"] == "file"]


def refused(done: subprocess.CompletedProcess[bytes], code: int, said: str) -> None:
    text = done.stderr.decode()
    assert done.returncode == code, text
    assert text.startswith("vfs: ") and text.count("\n") == 1 and said in text, text
    assert done.stdout == b""


def test_disjoint_changes_go_together(vfs: Vfs, repo: str) -> None:
    write(vfs, repo, "a", "two\n")
    write(vfs, f"{repo}@side", "c", "new\n")
    dry = parsed(vfs("merge", repo, f"{repo}@side", "--dry-run", "--json"))
    assert (dry["result"], dry["changed"], dry["commit"]) == ("merged", False, id_of(vfs, repo))
    assert vfs("merge", repo, f"{repo}@side", "--dry-run").stdout == b"notes@main: can be merged, nothing was changed\n"
    ours, theirs = id_of(vfs, repo), id_of(vfs, f"{repo}@side")
    assert vfs("merge", repo, f"{repo}@side", "-m", "both").stdout.startswith(b"notes@main is now ")
    shown = parsed(vfs("show", "--json", repo))
    assert (shown["parents"], shown["message"]) == ([ours, theirs], "both")
    assert shown["record"]["kind"] == "merge" and shown["record"]["command"][:2] == ["vfs", "merge"]
    assert listed(vfs, repo) == ["a", "c", "d/b"] and vfs("cat", f"{repo}:a").stdout == b"two\n"
    again = vfs("merge", repo, f"{repo}@side")
    assert again.stdout == b"notes@main: has all of notes@side already, nothing to merge\n"
    assert b"put notes@side" in vfs("lineage", f"{repo}:c").stdout


def test_a_branch_that_only_lags_behind_moves(vfs: Vfs, repo: str) -> None:
    write(vfs, f"{repo}@side", "c", "new\n")
    assert b"would move to" in vfs("merge", repo, f"{repo}@side", "--dry-run").stdout
    assert b"; moved on from " in vfs("merge", repo, f"{repo}@side").stdout
    assert id_of(vfs, repo) == id_of(vfs, f"{repo}@side")
    write(vfs, f"{repo}@side", "e", "new\n")
    found = parsed(vfs("merge", repo, f"{repo}@side", "--no-ff", "--json"))
    assert found["result"] == "merged" and found["commit"] != id_of(vfs, f"{repo}@side")


def test_a_conflict_is_named_and_can_be_settled(vfs: Vfs, repo: str) -> None:
    write(vfs, repo, "d/b", "ours\n")
    write(vfs, f"{repo}@side", "d/b", "theirs\n")
    before = id_of(vfs, repo)
    for words in ((), ("--dry-run",)):
        refused(
            vfs("merge", repo, f"{repo}@side", *words, ok=False),
            4,
            "changed on both sides, nothing was overwritten: d/b",
        )
    assert id_of(vfs, repo) == before
    vfs("merge", repo, f"{repo}@side", "--theirs", "d")
    assert vfs("cat", f"{repo}:d/b").stdout == b"theirs\n"
    vfs("merge", f"{repo}@side", before, ok=False)
    vfs("merge", f"{repo}@side", f"{repo}@{before[:12]}", "--ours", "d/b")
    assert vfs("cat", f"{repo}@side:d/b").stdout == b"theirs\n"


def test_two_processes_that_merge_at_once_both_get_in(vfs: Vfs, repo: str, isolated: Path) -> None:
    for number in range(4):
        vfs("branch", "create", f"{repo}@b{number}")
        write(vfs, f"{repo}@b{number}", f"new{number}", "x")
    write(vfs, repo, "a", "two\n")
    started = [
        subprocess.Popen([*COMMAND, "merge", repo, f"{repo}@b{number % 4}"], stderr=subprocess.PIPE, cwd=isolated)
        for number in range(6)
    ]
    for process in started:
        said = process.communicate(timeout=60)[1]
        assert process.returncode == 0, said
    assert listed(vfs, repo) == ["a", "new0", "new1", "new2", "new3", "d/b"]
    merges = [found for found in parsed(vfs("log", "--json", repo)) if len(found["parents"]) == 2]
    assert sorted(found["parents"][1] for found in merges) == sorted(
        id_of(vfs, f"{repo}@b{number}") for number in range(4)
    )


def test_a_commit_is_reverted_whole_or_below_a_path(vfs: Vfs, repo: str) -> None:
    vfs("rm", f"{repo}:d", "a")
    write(vfs, repo, "later", "x")
    done = vfs("revert", f"{repo}~1:d", "-m", "the directory again")
    assert done.stdout.startswith(b"notes@main is now ") and done.stdout.endswith(b" undone\n")
    assert listed(vfs, repo) == ["later", "d/b"]
    found = parsed(vfs("revert", f"{repo}~2", "--json"))
    assert found["changed"] and listed(vfs, repo) == ["a", "later", "d/b"]
    shown = parsed(vfs("show", "--json", repo))
    assert shown["record"]["kind"] == "revert" and shown["message"].startswith("revert ")
    assert b"is left to undo, no commit" in vfs("revert", f"{repo}~3").stdout


def test_the_first_commit_of_a_repo_is_reverted(vfs: Vfs, repo: str) -> None:
    vfs("repo", "create", "one")
    write(vfs, "one", "deep/er/file", "x")
    vfs("revert", "one")
    assert parsed(vfs("ls", "-R", "--json", "one")) == []
    vfs("revert", "one")
    assert vfs("cat", "one:deep/er/file").stdout == b"x"


def test_a_branch_is_reset_and_the_line_printed_goes_back(vfs: Vfs, repo: str) -> None:
    before = id_of(vfs, repo)
    told = vfs("reset", f"{repo}@main", f"{repo}~1").stdout.decode()
    assert listed(vfs, repo) == ["a"] and before[:12] in told
    back = told.partition("; vfs ")[2].removesuffix(" goes back\n").split()
    vfs(*back)
    assert id_of(vfs, repo) == before
    assert b"already" in vfs("reset", repo, f"{repo}@side").stdout
    found = parsed(vfs("reset", "--json", repo, f"{repo}~1"))
    assert (found["changed"], found["old"]) == (True, before)


def test_a_path_is_reset_by_a_new_commit(vfs: Vfs, repo: str) -> None:
    write(vfs, repo, "a", "two\n")
    write(vfs, repo, "d/c", "new\n")
    vfs("reset", f"{repo}:d", f"{repo}@side")
    assert listed(vfs, repo) == ["a", "d/b"] and vfs("cat", f"{repo}:a").stdout == b"two\n"
    shown = parsed(vfs("show", "--json", repo))
    assert shown["record"]["kind"] == "reset" and shown["message"].startswith("reset d to ")
    assert b"no change, no commit" in vfs("reset", f"{repo}:d", f"{repo}@side").stdout
    assert parsed(vfs("reset", "--json", f"{repo}:a", f"{repo}@side"))["path"] == "a"
    assert vfs("diff", "--exit-code", repo, f"{repo}@side:", ok=False).stdout in (b"", b"P  .\n")


WRONG = [
    (("merge", "notes"), 2, "missing argument 'REV'"),
    (("merge", "notes", "empty"), 2, "only revisions of repo notes"),
    (("merge", "notes:d", "notes@side"), 2, "without a path"),
    (("merge", "notes@v1", "notes@side"), 1, "is a tag"),
    (("merge", "notes@nope", "notes"), 1, "vfs branch create notes@nope"),
    (("merge", "notes", "notes@nope"), 1, "no branch, tag or commit nope"),
    (("merge", "empty", "empty"), 1, "no commits yet"),
    (("merge", "nope", "nope"), 1, "nope"),
    (("merge", "notes", "notes@side", "--ours", "a", "--theirs", "a"), 2, "settled twice"),
    (("merge", "notes", "notes@side", "--ours", "../a"), 2, "not a file name"),
    (("revert", "empty"), 1, "no commits yet"),
    (("revert", "notes", "--on", "nope"), 1, "no branch nope"),
    (("revert", "notes", "--on", "a/b"), 2, "not a name"),
    (("revert", "notes", "--parent", "2"), 2, "has 1 parent, no parent 2"),
    (("revert", "notes", "--parent", "x"), 2, "not a valid integer"),
    (("revert", "notes:a"), 1, "the commit changed nothing there"),
    (("reset", "empty", "empty"), 1, "no branch main"),
    (("reset", "notes", "empty"), 2, "of repo empty"),
    (("reset", "notes", "notes:d"), 2, "another path"),
    (("reset", "notes:nope", "notes~1"), 1, "no such path"),
    (("reset", "notes", "notes~1", "-m", "x"), 2, "makes no commit"),
    (("reset", "notes~1", "notes"), 2, "only a branch"),
]


def test_wrong_words_are_refused_in_one_line(vfs: Vfs, repo: str) -> None:
    vfs("repo", "create", "empty")
    vfs("tag", "create", f"{repo}@v1")
    before = id_of(vfs, repo)
    for words, code, said in WRONG:
        refused(vfs(*words, ok=False), code, said)
    assert id_of(vfs, repo) == before


def test_words_are_completed(vfs: Vfs, repo: str) -> None:
    def offered(line: str, word: str) -> list[str]:
        env = {**os.environ, "COMP_WORDS": line, "COMP_CWORD": word, "_VFS_COMPLETE": "bash_complete"}
        done = subprocess.run(COMMAND, env=env, capture_output=True, timeout=30, check=True)
        return [answer.partition(",")[2] for answer in done.stdout.decode().splitlines()]

    assert offered("vfs merge notes notes@s", "notes@s") == ["notes@side"]
    assert offered("vfs reset notes:d", "notes:d") == ["notes:d/"]
    assert offered("vfs revert notes --on s", "s") == ["side"]
