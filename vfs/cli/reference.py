"""The reference of all commands as Markdown, from click's own command tree: `python -m vfs.cli.reference`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from vfs.cli.catalogue import SECTIONS
from vfs.cli.root import root

_INTRODUCTION = """\
# Commands

This page is made from the commands themselves by `python -m vfs.cli.reference > docs/COMMANDS.md`; a test compares
the two. `vfs COMMAND --help` says the same.

## What holds for all of them

**Revisions.** `REPO[@BRANCH|@TAG|@COMMIT][~N][:PATH]`: without `@` it is branch `main`; a commit is named by the first
four or more of its hex digits; `~N` goes back N first parents; what follows the first `:` is a path in the tree.
A branch comes before a tag of the same name, a tag before a commit. Paths are bytes: any name that the
local file system can hold may be typed, UTF-8 or not.

**Options of `vfs` itself** (`--store`, `--state-dir`, `--cache-dir`, `--debug`) stand before the command.

**Standard output** is for programs: lines, or with `--json` one JSON document (a listing is an array, printed as it
is found). A terminal gets names with anything unprintable escaped (`\\n`, `\\xff`); a pipe gets the exact bytes of
every name, and `vfs ls -0` ends names with NUL for names that hold newlines. Tables are plain aligned text in a pipe;
their cells are escaped in both.

**JSON.** Digests and commit ids are hex digits in full, times are RFC 3339 in UTC with nanoseconds, modes are octal
digits, sizes are bytes. A name or path is a string; where it is not UTF-8, undecodable bytes are shown as U+FFFD, and
a member of the same name with `_b64` at its end holds the exact bytes in base64 (`"path"` and `"path_b64"`).

**Standard error** is for people: errors and warnings of one line each, `vfs: SUBJECT: CAUSE`, and progress
when it is a terminal. `--debug` adds the traceback of an error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | not found, refused, or done in part: each part that failed was named |
| 2 | wrong arguments, name or configuration |
| 3 | the store is missing, of another format, not writable, full, or does not answer |
| 4 | conflict: another writer changed the same paths |
| 5 | corrupt: bytes in the store are not what they were stored as |
| 6 | a mount or its daemon failed |
| 70 | a bug of vfs |
| 130 | interrupted by Ctrl-C; the line printed says what is kept |
| 141 | the reader of standard output went away (`vfs ls \\| head`) |

`vfs run` exits with the status of the program it ran.
"""


def markdown() -> str:
    """The whole page."""
    return "".join([_INTRODUCTION, *_contents(), *_sections()])


def all_commands() -> Iterator[tuple[click.Command, click.Context]]:
    """Every command below `vfs` in the order of the page, each with the context it has when called."""
    return _below(root, click.Context(root, info_name="vfs"))


def _below(group: click.Group, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None:
            inner = click.Context(command, parent=context, info_name=name, **command.context_settings)
            yield command, inner
            if isinstance(command, click.Group):
                yield from _below(command, inner)


def _contents() -> Iterator[str]:
    for section, items in SECTIONS.items():
        yield f"\n**{section}:** " + ", ".join(f"[{item.name}](#vfs-{item.name})" for item in items) + "\n"


def _sections() -> Iterator[str]:
    yield "\n## Options of vfs itself\n\n" + _options(root, click.Context(root, info_name="vfs"))
    titles = {items[0].name: section for section, items in SECTIONS.items()}
    for command, context in all_commands():
        if context.info_name in titles and context.command_path.count(" ") == 1:
            yield f"\n## {titles[context.info_name]}\n"
        yield _entry(command, context)


def _entry(command: click.Command, context: click.Context) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    depth = "###" if context.command_path.count(" ") == 1 else "####"
    text = f"\n{depth} {context.command_path}\n\n```text\n{usage}\n```\n\n{_help(command)}\n"
    options = _options(command, context)
    return text + ("\n" + options if options else "")


def help_text(command: click.Command) -> str:
    """The help of a command without the indentation of its source."""
    return inspect.cleandoc(command.help or "")


def _help(command: click.Command) -> str:
    return "\n\n".join(map(_paragraph, help_text(command).split("\n\n")))


def _paragraph(text: str) -> str:
    if not text.startswith("\b\n"):
        return text
    title, _, example = text[2:].partition("\n")
    lines = "\n".join(line.removeprefix("  ") for line in example.split("\n"))
    return f"{title}\n\n```text\n{lines}\n```"


def _options(command: click.Command, context: click.Context) -> str:
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and "--help" not in parameter.opts:
            rows.append(f"| `{record[0].replace('|', chr(92) + '|')}` | {record[1]} |\n")
    return "| option | meaning |\n|---|---|\n" + "".join(rows) if rows else ""


if __name__ == "__main__":
    print(markdown(), end="")
