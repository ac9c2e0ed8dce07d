"""The run record of a change that vfs itself makes, as it goes into the commit."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from vfs.model.commit import InputCommit
from vfs.model.record import RunRecord


def sealed_with(record: RunRecord | None, inputs: Sequence[InputCommit]) -> RunRecord | None:
    """The record with what the commit was made from, ended now."""
    if record is None:
        return None
    return msgspec.structs.replace(record, inputs=tuple(inputs), ended_ns=time.time_ns())
