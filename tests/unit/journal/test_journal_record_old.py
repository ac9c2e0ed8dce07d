"""Records that earlier versions sealed are read, and what they did not say is empty."""

from __future__ import annotations

import msgspec
import pytest

from vfs.errors import Corrupt
from vfs.model.commit import InputCommit
from vfs.model.record import Output, Process, Read, RunRecord, decode_record, encode_record

DIGEST = bytes(range(32))
# As sealed by version 0.3.0, before listings, order, writers and code were recorded.
SEALED = bytes.fromhex(
    "dc001101a372756e92c406707974686f6ec40561ff2e7079c40a2f686f6d652f616e6e6100cf17979cfe362a0000cf17979c"
    "fe71c4ca00a4616e6e61a5686f737431a5302e332e30a866616e6f74696679029192a44c414e47a1439193a670686f746f73"
    "a6696d61676573c420000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f919c01004dcf17979c"
    "fe53f7650000c4102f7573722f62696e2f707974686f6e33c420000102030405060708090a0b0c0d0e0f1011121314151617"
    "18191a1b1c1d1e1f92c406707974686f6ec40561ff2e7079c40a2f686f6d652f616e6e61cd03e8a4616e6e61b3646f636b65"
    "723a30313233343536373839616291940100c405612e6a7067c420000102030405060708090a0b0c0d0e0f10111213141516"
    "1718191a1b1c1d1e1f9292c405612e706e67c420000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
    "1e1f92c403646972c400"
)


def test_a_record_of_an_earlier_version_is_read() -> None:
    record = decode_record(SEALED, "commit x")
    assert (record.kind, record.command, record.user, record.host) == ("run", (b"python", b"a\xff.py"), "anna", "host1")
    assert (record.level, record.gaps, record.environment) == ("fanotify", 2, (("LANG", "C"),))
    assert record.inputs == (InputCommit("photos", "images", DIGEST),)
    assert record.reads == (Read(1, 0, b"a.jpg", DIGEST, 0),)
    assert record.outputs == (Output(b"a.png", DIGEST, 0, 0), Output(b"dir", b"", 0, 0))
    (process,) = record.processes
    assert isinstance(process, Process) and (process.pid, process.ended_ns, process.linked) == (77, 0, ())


def test_what_it_did_not_say_is_empty() -> None:
    record = decode_record(SEALED, "commit x")
    later = RunRecord.__struct_fields__[17:]
    assert later[:1] == ("listed",)
    assert [name for name in later if getattr(record, name)] == []


def test_a_record_sealed_anew_says_the_same() -> None:
    record = decode_record(SEALED, "commit x")
    assert decode_record(encode_record(record), "commit x") == record


@pytest.mark.parametrize("cut", range(0, len(SEALED), 7))
def test_a_record_that_was_cut_off_is_corrupt(cut: int) -> None:
    with pytest.raises(Corrupt, match="commit x: run record"):
        decode_record(SEALED[:cut], "commit x")


def test_fields_of_a_later_version_are_passed_over() -> None:
    fields = msgspec.msgpack.decode(encode_record(decode_record(SEALED, "x")))
    assert decode_record(msgspec.msgpack.encode([*fields, "new"]), "x") == decode_record(SEALED, "x")
