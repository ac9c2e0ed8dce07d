"""docs/COMMANDS.md, the catalogue and the help texts say the same, and each command shows an example."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from vfs.cli.catalogue import COMMANDS
from vfs.cli.reference import all_commands, help_text, markdown
from vfs.cli.root import root

ROOT = Path(__file__).resolve().parents[3]

EVERY = list(all_commands())
LEAVES = [(command, context) for command, context in EVERY if not isinstance(command, click.Group)]


def path_of(value: object) -> str:
    return value.command_path if isinstance(value, click.Context) else ""


def test_the_reference_is_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "COMMANDS.md").read_text()
    assert page == markdown(), "run: python -m vfs.cli.reference > docs/COMMANDS.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_catalogue_has_the_summary_of_the_command(name: str) -> None:
    command = root.get_command(click.Context(root), name)
    assert command is not None and command.name == name
    assert help_text(command).partition("\n\n")[0] == COMMANDS[name].summary


@pytest.mark.parametrize(("command", "context"), EVERY, ids=path_of)
def test_every_summary_is_one_sentence(command: click.Command, context: click.Context) -> None:
    summary = help_text(command).partition("\n\n")[0]
    assert summary.endswith(".") and summary[0].isupper() and len(summary) <= 72


@pytest.mark.parametrize(("command", "context"), LEAVES, ids=path_of)
def test_every_command_has_examples_that_its_parser_takes(command: click.Command, context: click.Context) -> None:
    examples = help_text(command).partition("\b\nExample")[2].split("\n")[1:]
    calls = [call for line in examples for call in re.findall(rf"{context.command_path}(?:[ )]|$)[^|>#)&]*", line)]
    assert calls, examples
    for call in calls:
        words = shlex.split(call)[context.command_path.count(" ") + 1 :]
        parsed = command.make_context(context.info_name, words, parent=context.parent)
        assert set(parsed.params) == {parameter.name for parameter in command.params if parameter.expose_value}


@pytest.mark.parametrize(("command", "context"), EVERY, ids=path_of)
def test_every_option_is_explained(command: click.Command, context: click.Context) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{context.command_path} {parameter.name}"


@pytest.mark.parametrize(("command", "context"), EVERY, ids=path_of)
def test_help_fits_a_terminal(command: click.Command, context: click.Context) -> None:
    assert all(len(line) <= 80 for line in command.get_help(context).split("\n"))


def test_listings_have_json() -> None:
    without = {"init", "cat", "export", "rm", "mount", "umount", "discard", "run", "shell", "completion"}
    without |= {"vfs cache clear", "vfs cache limit", "vfs repo create", "vfs repo delete", "vfs journal rebuild"}
    without |= {f"vfs {kind} {verb}" for kind in ("branch", "tag") for verb in ("create", "move", "delete")}
    without |= {f"vfs key {verb}" for verb in ("create", "import", "export", "trust", "distrust", "delete", "sign")}
    for command, context in LEAVES:
        has = any("--json" in parameter.opts for parameter in command.params)
        assert has != (context.command_path in without or context.command_path.removeprefix("vfs ") in without)
