"""How long work says how far it is. The command line draws it, the library never prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told from one thread, in order: `start` once, then `advance` any number of times."""

    def start(self, total_bytes: int | None) -> None:
        """Work begins; `total_bytes` of content in all, None while unknown."""

    def advance(self, bytes: int, files: int) -> None:
        """So many more bytes of content and files are done."""


class NoProgress:
    """Nobody is watching."""

    def start(self, total_bytes: int | None) -> None:
        """Ignored."""

    def advance(self, bytes: int, files: int) -> None:
        """Ignored."""
