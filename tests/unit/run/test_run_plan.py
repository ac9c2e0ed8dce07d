"""What a run is repeated with: found in its record, which anybody who can write to the store can have written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from blake3 import blake3

from vfs.config.settings import default_settings
from vfs.errors import Corrupt, NotADirectory, NotFound, Refused, UsageError, VfsError
from vfs.model.commit import InputCommit
from vfs.model.record import Code, Process, RunRecord
from vfs.model.revision import Revision, parse_revision
from vfs.repo.commit import commit_tree
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.repos import create_repo
from vfs.repo.resolve import Resolved, resolve
from vfs.repo.sources import parse_source
from vfs.run.drift import drift_of, recorded_environment
from vfs.run.plan import parse_onto, plan
from vfs.tree.edit import edit

Made = Callable[..., Resolved]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    settings = default_settings(
        store=f"file://{tmp_path}/store", state_dir=str(tmp_path / "state"), cache_dir=str(tmp_path / "cache")
    )
    (tmp_path / "file").write_text("x")
    with Library.create(settings) as opened:
        for repo in ("data", "out"):
            create_repo(opened, repo)
        put(opened, parse_revision("data"), [parse_source(str(tmp_path / "file"))])
        yield opened


@pytest.fixture
def made(library: Library, tmp_path: Path) -> Made:
    """A commit of `out` whose record is that of a run over `data`, with these fields changed."""
    data = resolve(library, Revision("data")).stored.id

    def make(**changed: object) -> Resolved:
        record = msgspec.structs.replace(
            RunRecord(
                kind="run", command=(b"true",), cwd=os.fsencode(tmp_path), exit_code=0, started_ns=1, ended_ns=2,
                user="u", host="h", version="0", level="open", inputs=(InputCommit("data", "data", data),),
            ),
            **changed,
        )  # fmt: skip
        writer = library.writer()
        root = edit(None, writer, [], mtime_ns=1)
        commit_tree(
            library, repo="out", branch="main", root=root, base=None, author="a", message="", record=record,
            writer=writer,
        )  # fmt: skip
        return resolve(library, Revision("out"))

    return make


def test_the_record_says_all_there_is_to_know(library: Library, made: Made, tmp_path: Path) -> None:
    found = plan(library, made(command=(b"cat", b"\xff"), shown=(b"file",)))
    assert (found.command, found.cwd, found.replaced) == ([b"cat", b"\xff"], os.fsencode(tmp_path), ())
    [given] = found.given
    assert (given.name, given.resolved.repo, given.resolved.path) == ("data", "data", b"file")


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"kind": "mount"}, Refused, "was made by mount, not by a run"),
        ({"command": (b"x", b"--token=***")}, Refused, "its command holds secrets"),
        ({"command": ()}, Corrupt, "no command"),
        ({"command": (b"a\0b",)}, Corrupt, "no command"),
        ({"cwd": b""}, NotFound, "--cwd DIR"),
        ({"cwd": b"/nowhere/at/all"}, NotFound, "--cwd DIR"),
        ({"cwd": b"/\0"}, NotFound, "--cwd DIR"),
        ({"inputs": ()}, Corrupt, "names no input"),
        ({"inputs": (InputCommit("data", "data", b"\7" * 32),)}, NotFound, "--onto data=REV"),
        ({"inputs": (InputCommit("data", "gone", b"\7" * 32),)}, NotFound, "--onto data=REV"),
        ({"inputs": (InputCommit("../etc", "data", b"\7" * 32),)}, VfsError, "input"),
        ({"inputs": (InputCommit("data", "../data", b"\7" * 32),)}, Corrupt, "no repo"),
        ({"inputs": (InputCommit("data", "data", b"7"),)}, Corrupt, "run record"),
        ({"shown": (b"../..",)}, Corrupt, "no path"),
        ({"shown": (b"none",)}, NotFound, "no such path"),
    ],
)
def test_what_cannot_be_repeated_is_refused_in_a_line(
    library: Library, made: Made, changed: dict[str, object], error: type[VfsError], said: str
) -> None:
    with pytest.raises(error, match=said) as raised:
        plan(library, made(**changed))
    assert "\n" not in str(raised.value)


def test_two_inputs_of_one_name_or_variable_are_refused(library: Library, made: Made) -> None:
    [item] = plan(library, made()).record.inputs
    with pytest.raises(UsageError, match="two inputs"):
        plan(library, made(inputs=(item, item)))


def test_a_directory_that_is_given_has_to_be_one(library: Library, made: Made, tmp_path: Path) -> None:
    with pytest.raises(NotADirectory, match="not a directory"):
        plan(library, made(), cwd=os.fsencode(tmp_path / "file"))
    assert plan(library, made(cwd=b"/nowhere"), cwd=b"/").cwd == b"/"


def test_inputs_that_are_replaced(library: Library, made: Made, tmp_path: Path) -> None:
    [item] = plan(library, made()).record.inputs
    twice = made(inputs=(item, msgspec.structs.replace(item, name="old")), shown=(b"file", b""))
    put(library, parse_revision("data"), [parse_source(str(tmp_path / "file"))])
    newer = resolve(library, Revision("data")).stored.id
    found = plan(library, twice, onto=[parse_onto("data=data")])
    assert [given.resolved.stored.id for given in found.given] == [newer, item.commit]
    assert [given.resolved.path for given in found.given] == [b"file", b""] and found.replaced == ("data",)
    for words, said in (
        (["data"], "2 inputs from repo data"),
        (["x=data"], "no input called x"),
        (["out"], "no inputs"),
    ):
        with pytest.raises(UsageError, match=said):
            plan(library, twice, onto=[parse_onto(word) for word in words])
    with pytest.raises(UsageError, match="two --onto"):
        plan(library, twice, onto=[parse_onto("old=data"), parse_onto("old=data")])


def test_the_environment_is_that_of_the_record(made: Made, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONPATH", "/now")
    monkeypatch.delenv("TZ", raising=False)
    then = (("LANG", "x" * 4096), ("MY_NOTE", "a***b"), ("PYTHONPATH", "/then"), ("TZ", "UTC"), ("VFS_OUT", "/pfs/out"))
    record = plan(library, made(environment=then)).record
    changes = recorded_environment(record)
    assert (changes["PYTHONPATH"], changes["TZ"], changes["LC_ALL"]) == ("/then", "UTC", None)
    assert not {"VFS_OUT", "LANG", "MY_NOTE", "HOME"} & set(changes)
    told = {drift.text: drift.restored for drift in drift_of(record, [b"true"], cwd=b"/", restore=True)}
    assert told["variable PYTHONPATH: has another value now"] and told["variable TZ: is not set now"]
    assert told["variable LC_ALL: was not set"]
    assert told["variable LANG: its value was not recorded whole, the present one is used"] is False
    assert recorded_environment(plan(library, made()).record) == {}


def test_another_container_image(made: Made, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VFS_IMAGE", "lab/tools:2")
    assert [drift.text for drift in plan(library, made(image="lab/tools:1")).drifts] == [
        "container image: lab/tools:1 then, lab/tools:2 now"
    ]
    assert not plan(library, made(image="lab/tools:2")).drifts


def test_programs_and_scripts_that_are_not_the_same(library: Library, made: Made, tmp_path: Path) -> None:
    program, script = tmp_path / "program", tmp_path / "script.sh"
    for path in (program, script):
        path.write_text("echo then\n")
        path.chmod(0o755)
    digest = blake3(program.read_bytes()).digest()

    def process(path: bytes) -> Process:
        return Process(1, 0, 2, 3, 0, path, digest, (path,), b"/", 0, "u", "")

    record = plan(
        library,
        made(
            processes=(process(os.fsencode(program)), process(b"/nowhere/program"), process(b"/pfs/data/file")),
            code=(Code("script", os.fsencode(script), digest), Code("script", b"/nowhere/script", digest)),
        ),
    ).record

    def told() -> set[str]:
        words = [b"sh", os.fsencode(script)]
        return {drift.text for drift in drift_of(record, words, cwd=os.fsencode(tmp_path), restore=True)}

    gone = {"/nowhere/program: is not there any more", "/nowhere/script: is not there any more"}
    assert told() == gone
    program.write_text("echo now\n")
    script.write_text("echo now\n")
    now = {f"{program}: is not the program that ran then", f"{script}: is another script now"}
    assert told() == gone | now
