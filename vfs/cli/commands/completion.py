"""`vfs completion`: the completion script of a shell."""

from __future__ import annotations

import click

from vfs.cli import output
from vfs.cli.completion import SHELLS, script


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell.

    It completes commands, options, repos, branches, tags, paths in revisions and mount points.

    \b
    Examples:
      source <(vfs completion bash)     # in ~/.bashrc for every shell
      vfs completion zsh > "${fpath[1]}/_vfs"
      vfs completion fish > ~/.config/fish/completions/vfs.fish
    """
    output.write(script(shell).encode())
