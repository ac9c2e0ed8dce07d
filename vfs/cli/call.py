"""One call of the command: what its global options say, and the library it opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from vfs.cli.names import raw

if TYPE_CHECKING:
    from vfs.config.settings import Loaded, Settings
    from vfs.repo.library import Library


@dataclass
class Call:
    """State of one call. The library is opened at first use and closed by the frame, whatever happens.

    `words` are those of the user, without the program's name. `kept` is what Ctrl-C leaves behind; commands
    that work for long set it as they go. `commits` is set for commands that make commits, `sign` and `unsigned` by
    their options: the key to sign with, and that nothing is to be signed.
    """

    overrides: dict[str, object] = field(default_factory=dict)
    debug: bool = False
    words: tuple[str, ...] = ()
    kept: str = ""
    commits: bool = False
    sign: str = ""
    unsigned: bool = False
    _library: Library | None = None

    def loaded(self) -> Loaded:
        """The settings with the origin of each."""
        from vfs.config.settings import load

        return load(self.overrides)

    def settings(self) -> Settings:
        """The settings of this call."""
        return self.loaded().settings

    def command(self) -> tuple[bytes, ...]:
        """The command line of this call, for the record of a commit: secrets in it are masked."""
        from vfs.journal.masking import masked

        return masked((b"vfs", *(raw(word) for word in self.words)))

    def library(self) -> Library:
        """The library over the store of this call; for a command that commits, with its key unlocked."""
        if self._library is None:
            from vfs.cli.signing import ask, chosen
            from vfs.repo.library import Library

            self._library = Library.open(chosen(self))
            self._library.ask = ask
            if self.commits:
                _ = self._library.signer
        return self._library

    def close(self) -> None:
        """Close the library if it was opened."""
        if self._library is not None:
            self._library.close()
            self._library = None


pass_call = click.make_pass_decorator(Call, ensure=True)
