"""The order of what was observed, as far as a record needs it: before or after which outputs were written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

import msgspec

from vfs.model.record import Output, Read, RunRecord

# Observations of a record that keeps their whole order: some 0.3 MB of the record as stored. Beyond it, the numbers
# would be a fifth of it, and differ between two equal runs.
ORDERED_MAX = 65_536


def settled(record: RunRecord) -> RunRecord:
    """`record`; when it has very many observations, their moments say only which outputs were written before.

    An observation was at or before the moment of an output exactly if it was so before. To be done last: outputs
    that come later cannot be placed any more.
    """
    if len(record.reads) + len(record.listed) + len(record.absent) <= ORDERED_MAX:
        return record
    moments = _Moments(record.outputs)
    return msgspec.structs.replace(
        record,
        reads=tuple(moments.of_reads(record.reads)),
        listed=tuple(moments.of_reads(record.listed)),
        absent=tuple(moments.of_reads(record.absent)),
        outputs=tuple(moments.of_outputs(record.outputs)),
    )


class _Moments:
    """Outputs get even numbers, in their order; what lies between two of them the odd one. Unknown stays 0."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self._written = sorted({output.at for output in outputs} - {0})

    def of_reads(self, reads: Iterable[Read]) -> Iterator[Read]:
        for read in reads:
            at = 2 * bisect_left(self._written, read.at) + 1 if read.at else 0
            yield Read(read.process, read.input, read.path, read.digest, at)

    def of_outputs(self, outputs: Iterable[Output]) -> Iterator[Output]:
        for output in outputs:
            at = 2 * bisect_left(self._written, output.at) + 2 if output.at else 0
            yield Output(output.path, output.digest, output.writer, at)
