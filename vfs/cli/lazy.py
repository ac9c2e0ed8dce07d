"""A click group that imports the module of a command only when that command is called."""

from __future__ import annotations

from importlib import import_module
from typing import cast

import click
from click.shell_completion import CompletionItem

from vfs.cli.catalogue import COMMANDS, SECTIONS


class LazyGroup(click.Group):
    """Commands come from `vfs.cli.catalogue`, which also holds their summaries, so help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported now; None when there is none."""
        item = COMMANDS.get(cmd_name)
        if item is None:
            return None
        module = import_module(f"vfs.cli.commands.{item.module}")
        return cast(click.Command, getattr(module, item.attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; an unknown name is refused with the nearest ones there are."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"no such command '{args[0]}'{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by section, with their summaries."""
        for section, items in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(item.name, item.summary) for item in items], col_max=16)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands and of global options."""
        items = [
            CompletionItem(name, help=item.summary) for name, item in COMMANDS.items() if name.startswith(incomplete)
        ]
        return items + click.Command.shell_complete(self, ctx, incomplete)
