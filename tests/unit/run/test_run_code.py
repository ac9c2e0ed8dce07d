"""Which version of which code a command runs, and that asking for it starts no program of a work tree."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from blake3 import blake3

from vfs.run.code import code_of
from vfs.run.git import git_state, work_tree_of


def git(tree: Path, *words: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    }
    words = ("-c", "user.name=a", "-c", "user.email=a@b", *words)
    done = subprocess.run(["git", *words], cwd=tree, env=environment, check=True, capture_output=True, timeout=60)
    return done.stdout.decode().strip()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    tree = tmp_path / "code"
    (tree / "sub").mkdir(parents=True)
    git(tree, "init", "-q", "-b", "trunk")
    (tree / "sub" / "step.py").write_text("print(1)\n")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "first")
    return tree


def test_commit_and_branch_of_the_working_directory(tree: Path) -> None:
    told = code_of([b"true"], cwd=os.fsencode(tree / "sub"))
    (code,) = told.code
    assert (code.role, code.path, code.digest) == ("cwd", os.fsencode(tree / "sub"), b"")
    assert (code.root, code.commit, code.branch) == (os.fsencode(tree), git(tree, "rev-parse", "HEAD"), "trunk")
    assert not code.dirty and not told.warnings


def test_script_of_another_work_tree_with_its_digest(tree: Path, tmp_path: Path) -> None:
    script = tree / "sub" / "step.py"
    told = code_of([b"sh", os.fsencode(script), b"/nowhere", b""], cwd=os.fsencode(tmp_path))
    (code,) = told.code
    assert (code.role, code.path) == ("script", os.fsencode(script))
    assert code.digest == blake3(script.read_bytes()).digest()
    assert code.commit == git(tree, "rev-parse", "HEAD")


@pytest.mark.parametrize("change", ["edit", "new", "staged"])
def test_changed_and_unknown_files_make_it_dirty(tree: Path, change: str) -> None:
    name = "sub/step.py" if change == "edit" else "other.py"
    (tree / name).write_text("print(2)\n")
    if change == "staged":
        git(tree, "add", name)
    assert git_state(os.fsencode(tree), seconds=30).dirty


def test_what_git_ignores_is_no_change(tree: Path) -> None:
    (tree / ".gitignore").write_text("*.pyc\n")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "ignore")
    (tree / "a.pyc").write_text("x")
    assert not git_state(os.fsencode(tree), seconds=30).dirty


def test_detached_and_without_commits(tree: Path, tmp_path: Path) -> None:
    head = git(tree, "rev-parse", "HEAD")
    git(tree, "checkout", "-q", "--detach")
    state = git_state(os.fsencode(tree), seconds=30)
    assert (state.commit, state.branch) == (head, "")
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "-q", "-b", "trunk")
    state = git_state(os.fsencode(empty), seconds=30)
    assert (state.commit, state.branch, state.dirty, state.problem) == ("", "trunk", False, "")


def test_script_outside_of_a_work_tree(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("true\n")
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o755)
    (tmp_path / "data").write_text("1 2 3\n")
    told = code_of([b"./tool", b"a.sh", b"data", b"."], cwd=os.fsencode(tmp_path))
    assert [os.path.basename(code.path) for code in told.code] == [b"tool", b"a.sh"]
    assert all(code.role == "script" and not code.root and len(code.digest) == 32 for code in told.code)


def test_words_of_a_shell_script_and_programs_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("1\n")
    (tmp_path / "mytool").write_text("#!/bin/sh\n")
    (tmp_path / "mytool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    told = code_of([b"sh", b"-ec", b"python a.py > /pfs/out/x"], cwd=os.fsencode(tmp_path))
    assert [code.path for code in told.code] == [os.fsencode(tmp_path / "a.py")]
    assert [code.path for code in code_of([b"mytool"], cwd=b"/").code] == [os.fsencode(tmp_path / "mytool")]


def test_system_programs_inputs_and_secrets_are_no_scripts(tmp_path: Path) -> None:
    assert code_of([b"/bin/sh", b"/etc/passwd", b"/dev/null", b"a\0b", b"sh"], cwd=b"/").code == ()
    (tmp_path / "token=x.sh").write_text("1\n")
    assert code_of([b"sh", b"token=x.sh"], cwd=os.fsencode(tmp_path)).code == ()


def test_nothing_of_a_hostile_work_tree_is_started(tree: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    evil = tmp_path / "evil.sh"
    evil.write_text(f"#!/bin/sh\necho $0 $@ >> {started}\ncat\n")
    evil.chmod(0o755)
    (tree / ".gitattributes").write_text("* filter=evil diff=evil\n")
    for name in ("clean", "smudge", "process"):
        git(tree, "config", f"filter.evil.{name}", str(evil))
    git(tree, "config", "filter.evil.required", "true")
    git(tree, "config", "diff.evil.textconv", str(evil))
    git(tree, "config", "diff.external", str(evil))
    git(tree, "config", "core.fsmonitor", str(evil))
    git(tree, "config", "core.sshCommand", str(evil))
    hooks = tree / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "fsmonitor-watchman"):
        shutil.copy(evil, hooks / name)
    # Same size, later time: git has to read it, and would filter it.
    os.utime(tree / "sub" / "step.py", (2_000_000_000, 2_000_000_000))
    state = git_state(os.fsencode(tree), seconds=30)
    assert state.commit and state.dirty and not state.problem
    assert not started.exists()


def test_index_is_not_written(tree: Path) -> None:
    os.utime(tree / "sub" / "step.py", (2_000_000_000, 2_000_000_000))
    before = (tree / ".git" / "index").read_bytes()
    assert not git_state(os.fsencode(tree), seconds=30).dirty
    assert (tree / ".git" / "index").read_bytes() == before


def test_no_git_a_slow_one_and_one_that_fails(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    told = code_of([], cwd=os.fsencode(tree))
    assert (told.code[0].root, told.code[0].commit) == (os.fsencode(tree), "")
    assert told.warnings == (f"{tree}: the version of the code is not known: there is no git program",)
    (programs / "git").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    (programs / "git").chmod(0o755)
    assert git_state(os.fsencode(tree), seconds=0.2).problem == "git took too long"
    (programs / "git").write_text("#!/bin/sh\necho 'fatal: detected dubious ownership' >&2; exit 128\n")
    assert git_state(os.fsencode(tree), seconds=30).problem == "git: detected dubious ownership"


def test_broken_repository(tree: Path) -> None:
    (tree / ".git" / "HEAD").write_text("nonsense\n")
    told = code_of([], cwd=os.fsencode(tree))
    assert told.code[0].commit == "" and len(told.warnings) == 1


def test_many_changes_and_many_complaints_do_not_block(tree: Path) -> None:
    for number in range(3000):
        (tree / f"{number:0100d}").touch()
    assert git_state(os.fsencode(tree), seconds=30).dirty


def test_work_tree_of(tree: Path) -> None:
    assert work_tree_of(os.fsencode(tree / "sub" / "x" / "y")) == os.fsencode(tree)
    assert work_tree_of(b"/") == b"" == work_tree_of(b"/dev/null")
