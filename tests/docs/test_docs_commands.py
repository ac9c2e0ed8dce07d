"""Every command block of the README and of docs/ is run as it stands and prints what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PAGES, ROOT, Step, blocks, steps

SHOWN = ("console", "sh", "bash", "shell")
COMMAND_LIMIT = 60


class Terminal:
    """One reader's terminal: commands share the directory and the exported variables."""

    def __init__(self, directory: Path) -> None:
        self._memory = directory / ".terminal"
        self._memory.write_text(f"cd {shlex.quote(str(directory))}\n")
        self._path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    def type(self, command: str) -> subprocess.CompletedProcess[str]:
        memory = shlex.quote(str(self._memory))
        keep = f'status=$?; {{ export -p; echo "cd $(printf %q "$PWD")"; }} > {memory}; exit $status'
        return subprocess.run(
            ["bash", "-c", f". {memory}\n{command}\n{keep}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "PATH": self._path, "COLUMNS": "100"},
            timeout=COMMAND_LIMIT,
            check=False,
        )


def check_make(command: str) -> None:
    """A make target is not run again inside the tests: that it exists and can be planned is enough here."""
    done = subprocess.run(
        ["make", "--dry-run", *shlex.split(command, comments=True)[1:]],
        cwd=ROOT,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def perform(terminal: Terminal, step: Step, page: Path) -> None:
    where = f"{page.name}:{step.line}: {step.command}"
    done = terminal.type(step.command)
    assert done.returncode == step.status, f"{where}\nexited {done.returncode}:\n{done.stdout}"
    assert "Traceback" not in done.stdout, f"{where}\n{done.stdout}"
    assert step.prints(done.stdout), f"{where}\nprinted:\n{done.stdout}\nthe page says:\n{step.printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.mount
def test_commands_of_the_page_do_what_it_says(page: Path, isolated: Path) -> None:
    work = isolated / "work"
    work.mkdir()
    terminal = Terminal(work)
    for step in steps(page.read_text()):
        commands = step.command.splitlines()
        if all(re.match(r"make(\s|$)", line) for line in commands):
            for line in commands:
                check_make(line)
        else:
            perform(terminal, step, page)


def test_no_block_of_another_kind_hides_a_command() -> None:
    hidden = [
        f"{page.name}:{first}: {line}"
        for page in PAGES
        for language, first, lines in blocks(page.read_text())
        if language not in SHOWN
        for line in lines
        if line.startswith("$ ")
    ]
    assert not hidden


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert not broken


def test_a_page_that_shows_wrong_output_is_noticed() -> None:
    right, wrong = steps("```console\n$ echo one two\none …\n$ false  # exits 1\n```\n")
    assert right.prints("one two\n")
    assert not right.prints("two\n")
    assert (wrong.command, wrong.status) == ("false", 1)
