"""Very large records keep of the order what outputs need of it, and stay small."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.manyreads import seal_many

from vfs.journal import moments
from vfs.journal.moments import ORDERED_MAX, settled
from vfs.journal.record import put_record
from vfs.model.record import Output, Read, RunRecord


def a_record(seed: int, reads: int, outputs: int) -> RunRecord:
    chance = random.Random(seed)
    ats = chance.sample(range(1, 10 * (reads + outputs) + 1), reads + outputs)
    seen = [Read(1, 0, b"%d" % n, b"", at if chance.random() < 0.9 else 0) for n, at in enumerate(ats[:reads])]
    made = tuple(Output(b"%d" % n, b"", 1, at if chance.random() < 0.9 else 0) for n, at in enumerate(ats[reads:]))
    cut = sorted(chance.sample(range(reads + 1), 2))
    record = put_record(command=(b"x",), started_ns=1, outputs=made, kind="run")
    parts = tuple(seen[: cut[0]]), tuple(seen[cut[0] : cut[1]]), tuple(seen[cut[1] :])
    return msgspec.structs.replace(record, reads=parts[0], listed=parts[1], absent=parts[2])


def observations(record: RunRecord) -> list[Read]:
    return [*record.reads, *record.listed, *record.absent]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), reads=st.integers(2, 40), outputs=st.integers(0, 12))
def test_before_and_after_each_output_stay_what_they_were(seed: int, reads: int, outputs: int) -> None:
    record = a_record(seed, reads, outputs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(moments, "ORDERED_MAX", 1)
        small = settled(record)
    assert [(one.path, one.at > 0) for one in observations(small)] == [
        (one.path, one.at > 0) for one in observations(record)
    ]
    for old, new in zip(record.outputs, small.outputs, strict=True):
        assert (new.path, new.writer, new.at > 0) == (old.path, old.writer, old.at > 0)
        before = [one.path for one in observations(record) if one.at <= old.at]
        assert [one.path for one in observations(small) if one.at <= new.at] == before
    assert max([one.at for one in observations(small)], default=0) <= 2 * outputs + 1


def test_small_records_keep_the_whole_order() -> None:
    record = a_record(1, 40, 5)
    assert settled(record) is record


@pytest.mark.parametrize("seed", [None, 1])
def test_bytes_of_a_read_in_a_large_record(tmp_path: Path, seed: int | None) -> None:
    reads = ORDERED_MAX + 5_000
    record, figures = seal_many(tmp_path, reads, seed=seed)
    assert len(record.reads) == reads and len({read.path for read in record.reads}) == reads
    assert record.outputs[0].at < record.outputs[-1].at
    # Of these 32 are the digest, which nothing makes smaller; a million of them are to take less than 40 MB.
    assert figures.stored_bytes / reads < 40
