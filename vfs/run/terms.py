"""What a run is held to, and what is noted of it besides what is observed."""

from __future__ import annotations

import msgspec

from vfs.run.declared import UNDECLARED


class Terms(msgspec.Struct, frozen=True):
    """The terms of one run.

    `strict`: kinds of `Declared` that are errors, so that nothing is committed; UNDECLARED turns on `trace_outside`,
    which lists the files that the processes open outside of /pfs. `image`: the container image, where the user says
    it; `environment`: names of variables that are recorded beside the allow-list. `max_size`: bytes that the output may
    take on disk, which are taken when the run begins, 0 for no limit.
    """

    strict: frozenset[str] = frozenset()
    trace_outside: bool = False
    image: str = ""
    environment: tuple[str, ...] = ()
    max_size: int = 0

    @property
    def traces(self) -> bool:
        """Whether opens outside are to be seen."""
        return self.trace_outside or UNDECLARED in self.strict


NO_TERMS = Terms()
