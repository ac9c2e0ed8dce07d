"""`vfs journal compact`, `export`, `import`, `list`: with real runs and mounts, in use or not."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vfs.journal.carry import export_segment
from vfs.journal.events import Gap
from vfs.journal.log import Journal
from vfs.journal.record import put_record
from vfs.model.commit import StoredCommit, decode_commit, encode_commit
from vfs.model.entry import ChunkList
from vfs.model.record import encode_record

Vfs = Callable[..., "subprocess.CompletedProcess[bytes]"]
pytestmark = pytest.mark.mount


@pytest.fixture
def texts(vfs: Vfs, isolated: Path) -> str:
    """A repo of 300 files."""
    vfs("init")
    vfs("repo", "create", "texts")
    tree = isolated / "tree"
    tree.mkdir()
    for number in range(300):
        (tree / f"{number}.txt").write_text(f"{number}\n" * 300)
    vfs("put", "texts", f"{tree}/")
    return "texts"


def run(vfs: Vfs, script: str = "cat /pfs/texts/1*.txt > /pfs/out/all") -> None:
    vfs("run", "-i", "texts", "-o", "made", "--", "sh", "-c", script)


def listed(vfs: Vfs, *words: str, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(vfs("journal", "list", "--json", *words, **options).stdout)
    return found


def verified(vfs: Vfs, **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(vfs("journal", "verify", "--json", **options).stdout)
    return found


def test_what_another_host_wrote_cannot_steer_a_terminal(vfs: Vfs, isolated: Path) -> None:
    path = isolated / "upkeep-evil.segment"
    with Journal.open(isolated / "elsewhere") as journal:
        journal.append([Gap(session="s\x1b[2J", count=1, reason="r\x1b[2J")])
        export_segment(journal, str(path), selection="all\x1b[2J\n", wanted=lambda record: True)
    for words in (["show", "--file", path], ["import", path]):
        said = vfs("journal", *words).stdout
        assert b"\x1b" not in said and said.count(b"\n") == 1 and b"\\x1b[2J" in said


def test_old_runs_go_into_an_archive_and_lineage_stays(vfs: Vfs, texts: str, isolated: Path) -> None:
    run(vfs)
    before = len(json.loads(vfs("journal", "show", "--json").stdout))
    assert b"would be taken out" in vfs("journal", "compact", "--keep-days", "0", "--dry-run").stdout
    assert vfs("journal", "compact", "--before", "30d").stdout.startswith(b"0 records")
    archive = isolated / "old.segment"
    vfs("journal", "compact", "--keep-days", "0", "--archive", archive)
    assert listed(vfs) == []
    found = verified(vfs)
    assert (found["taken_out"], found["records"], found["problems"]) == (before, 1, [])
    assert vfs("journal", "verify").stdout == f"1 record, {before} older ones taken out, all in order\n".encode()
    assert vfs("journal", "verify", "--archive", archive).returncode == 0
    assert len(json.loads(vfs("journal", "show", "--file", archive, "--json").stdout)) == before
    # What a commit was made from is in the commit.
    assert b"1.txt" in vfs("lineage", "made:all").stdout
    run(vfs, "cat /pfs/texts/2.txt > /pfs/out/all")
    vfs("journal", "rebuild")
    assert len(listed(vfs)) == 1 and verified(vfs)["problems"] == []
    # An archive is not written over.
    assert vfs("journal", "compact", "--keep-days", "0", "--archive", archive, ok=False).returncode == 1
    assert len(listed(vfs)) == 1


def test_a_mount_in_use_is_kept_and_goes_on(vfs: Vfs, texts: str, isolated: Path, fuse_for_all: None) -> None:
    """Queries, compaction and the reads of a mount at one time."""
    mount = isolated / "mnt"
    mount.mkdir()
    run(vfs)
    vfs("mount", texts, mount)
    stop = threading.Event()
    seen: list[int] = []

    def reading() -> None:
        number = 0
        while not stop.is_set():
            seen.append(len((mount / f"{number % 300}.txt").read_bytes()))
            number += 1

    reader = threading.Thread(target=reading)
    reader.start()
    try:
        for _ in range(3):
            done = vfs("journal", "compact", "--keep-days", "0")
            assert b"1 still running" in done.stdout or b"needed by layers and mounts" in done.stdout
            assert [line["kind"] for line in listed(vfs)] == ["mount"]
            assert verified(vfs)["problems"] == []
    finally:
        stop.set()
        reader.join(60)
    assert seen and all(seen)
    vfs("umount", mount)
    (line,) = listed(vfs)
    reads = json.loads(vfs("journal", "show", "--kind", "read", "--json").stdout)
    assert line["exit_code"] == 0
    assert sum(len(one["event"]["reads"]) for one in reads) == min(len(seen), 300)
    vfs("journal", "compact", "--keep-days", "0")
    assert listed(vfs) == [] and verified(vfs)["problems"] == []


def test_the_sessions_of_a_layer_stay_until_it_is_committed(vfs: Vfs, texts: str, isolated: Path) -> None:
    mount = isolated / "mnt"
    mount.mkdir()
    vfs("mount", "--rw", texts, mount)
    (mount / "7.txt").read_bytes()
    (mount / "new").write_text("new")
    vfs("umount", mount)
    assert b"needed by layers" in vfs("journal", "compact", "--keep-days", "0").stdout
    vfs("commit", mount, "-m", "later")
    record = json.loads(vfs("show", texts, "--json").stdout)["record"]
    assert "7.txt" in [read["path"] for read in record["reads"]]
    vfs("discard", mount)
    vfs("journal", "compact", "--keep-days", "0")
    assert listed(vfs) == []


def test_records_travel_to_another_host(vfs: Vfs, texts: str, isolated: Path) -> None:
    run(vfs)
    run(vfs, "cat /pfs/texts/2.txt > /pfs/out/all")
    first, second = (line["session"] for line in listed(vfs))
    whole, part = isolated / "all.segment", isolated / "part.segment"
    vfs("journal", "export", "-o", whole)
    vfs("journal", "export", "--session", second, "-o", part)
    there = {"VFS_STATE_DIR": str(isolated / "there")}
    vfs("journal", "import", part, env=there)
    assert [line["session"] for line in listed(vfs, "--imported", env=there)] == [second]
    assert listed(vfs, env=there) == []
    vfs("journal", "import", whole, env=there)
    assert {line["session"] for line in listed(vfs, "--imported", env=there)} == {first, second}
    assert len(verified(vfs, env=there)["imported"]) == 2
    assert os.uname().nodename.encode() in vfs("journal", "list", "--imported", env=there).stdout
    # One that is altered after it was imported, and one before.
    kept = next((isolated / "there" / "journal-imported").glob("*.segment"))
    for path, words in ((whole, ("journal", "import", whole)), (kept, ("journal", "verify"))):
        data = bytearray(path.read_bytes())
        data[data.index(b"session-start") + 40] ^= 1
        path.write_bytes(data)
        done = vfs(*words, env=there, ok=False)
        assert done.returncode == 5 and b"record" in done.stderr and path.name.encode() in done.stderr


def test_wrong_words_are_one_line(vfs: Vfs, isolated: Path) -> None:
    for words, status in (
        (("compact",), 2),
        (("compact", "--before", "30d", "--keep-days", "3"), 2),
        (("compact", "--before", "yesterday"), 2),
        (("export", "-o", "x", "--session", "none"), 1),
        (("import", "none"), 1),
        (("verify", "--file", "none"), 1),
        (("show", "--file", "/dev/null"), 5),
    ):
        done = vfs("journal", *words, ok=False)
        assert done.returncode == status, words
        assert done.stderr.startswith(b"vfs: ") and done.stderr.count(b"\n") == 1
    assert vfs("journal", "compact", "--keep-days", "0").stdout.startswith(b"0 records of 0 sessions")


def flipped(store: Path, id: bytes, stored: StoredCommit) -> Path:
    """A bit of the record where it lies, in its pack."""
    content = stored.locations.record
    assert isinstance(content, ChunkList)
    (ref,) = content.refs
    pack = store / "packs" / ref.pack.hex()[:2] / ref.pack.hex()
    data = bytearray(pack.read_bytes())
    data[ref.offset + ref.stored // 2] ^= 1
    pack.write_bytes(data)
    return pack


def replaced(store: Path, id: bytes, stored: StoredCommit) -> Path:
    """A record that says something else, whole in itself, and a commit object that leads to it."""
    lie = encode_record(put_record(command=[b"harmless"], started_ns=1))
    path = store / "repos" / stored.commit.repo / "commits" / id.hex()
    locations = msgspec.structs.replace(stored.locations, record=lie, record_size=len(lie))
    path.write_bytes(encode_commit(stored.commit, locations)[1])
    return path


@pytest.mark.parametrize("harm", [flipped, replaced])
def test_a_run_record_altered_in_the_store_is_found(
    vfs: Vfs, texts: str, isolated: Path, harm: Callable[[Path, bytes, StoredCommit], Path]
) -> None:
    """Commit ids cover their run records: verify and lineage find another, and so does whoever rests on a signature."""
    vfs("key", "create", "me")
    vfs("run", "-i", texts, "-o", "made", "--sign", "--", "sh", "-c", "cat /pfs/texts/*.txt > /pfs/out/all")
    shown = json.loads(vfs("show", "made", "--json").stdout)
    assert shown["signatures"][0]["standing"] == "trusted" and len(shown["record"]["reads"]) == 300
    store, id = isolated / "store", bytes.fromhex(shown["commit"])
    harm(store, id, decode_commit(id, (store / "repos" / "made" / "commits" / id.hex()).read_bytes()))
    for number, words in enumerate((("verify", "made"), ("lineage", "made"), ("show", "made"))):
        done = vfs(*words, env={"VFS_CACHE_DIR": str(isolated / f"fresh{number}")}, ok=False)
        assert done.returncode == 5, words
        assert done.stderr.startswith(b"vfs: ") and (b"record" in done.stderr or b"pack" in done.stderr)
