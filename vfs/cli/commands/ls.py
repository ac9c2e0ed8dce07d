"""`vfs ls`: what is in a directory of a revision."""

from __future__ import annotations

from collections.abc import Iterator

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.names import safe, shown
from vfs.cli.parameters import REVISION
from vfs.cli.place import Place, find
from vfs.cli.values import entry_json, human_size, local_time, mode_text
from vfs.model.entry import Entry, Kind
from vfs.model.revision import Revision


@click.command("ls", context_settings={"help_option_names": ["--help"]})
@click.argument("revision", metavar="[REV[:PATH]]", type=REVISION, required=False)
@click.option("-l", "--long", is_flag=True, help="Mode, size and time of each.")
@click.option("-h", "--human", is_flag=True, help="With -l: sizes as 1.4M.")
@click.option("-R", "--recursive", is_flag=True, help="All below, as paths.")
@click.option("-0", "--null", "end_with_nul", is_flag=True, help="End each name with NUL instead of a newline.")
@options.as_json
@pass_call
def ls_command(
    call: Call,
    revision: Revision | None,
    long: bool,
    human: bool,
    recursive: bool,
    end_with_nul: bool,
    as_json: bool,
) -> None:
    """List a directory or a file of a revision.

    Without REV it lists the repos. A terminal gets names escaped, a pipe gets them exact.

    \b
    Examples:
      vfs ls photos
      vfs ls -lh photos@v1:2024
      vfs ls -R -0 photos | xargs -0 -n1 echo
    """
    if revision is None:
        from vfs.cli.commands.repo import print_repos

        print_repos(call, as_json)
        return
    place = find(call, revision)
    if as_json:
        output.array(map(entry_json, _entries(place, recursive)))
        return
    render = _long(place, human) if long else _Short()
    for entry in _entries(place, recursive):
        path = _listed(place, entry, recursive)
        if end_with_nul:
            output.write(render.before(entry).encode() + path + b"\0")
        else:
            output.line(render.before(entry) + shown(path) + render.after(entry))


def _entries(place: Place, recursive: bool) -> Iterator[Entry]:
    top = place.entry
    if top.kind is not Kind.DIR:
        return iter((top,))
    if recursive:
        return (entry for entry in place.tree.walk(top.path) if entry.path != top.path)
    return (entry for _, entry in place.tree.children(top.path))


def _listed(place: Place, entry: Entry, recursive: bool) -> bytes:
    if not recursive or place.entry.kind is not Kind.DIR:
        return entry.name
    return entry.path[len(place.entry.path) + 1 :] if place.entry.path else entry.path


class _Short:
    """Names alone."""

    def before(self, entry: Entry) -> str:
        """Nothing."""
        return ""

    def after(self, entry: Entry) -> str:
        """Nothing."""
        return ""


class _Long(_Short):
    """Mode, size and time before the name, the target of a symlink after it."""

    def __init__(self, width: int, human: bool) -> None:
        self._width = width
        self._human = human

    def before(self, entry: Entry) -> str:
        """`-rw-r--r--  1234  2024-05-01 12:00  `."""
        size = human_size(entry.size) if self._human else str(entry.size)
        return f"{mode_text(entry)}  {size:>{self._width}}  {local_time(entry.mtime_ns)}  "

    def after(self, entry: Entry) -> str:
        """` -> target` for a symlink."""
        return f" -> {safe(entry.target.decode('utf-8', 'surrogateescape'))}" if entry.kind is Kind.SYMLINK else ""


def _long(place: Place, human: bool) -> _Long:
    # No file is larger than all of them together, so the column can be laid out before the first is read.
    return _Long(5 if human else len(str(place.tree.totals(place.entry.path).size)), human)
