"""What a run is given: names, variables, environment, its place on disk. No mount, no command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vfs.config.settings import default_settings
from vfs.errors import DaemonError, InvalidName, LocalIOError, PathNotFound, Refused, RevisionNotFound, UsageError
from vfs.model.revision import Revision, parse_revision
from vfs.repo.library import Library
from vfs.repo.progress import NoProgress
from vfs.repo.put import put
from vfs.repo.repos import create_repo
from vfs.repo.sources import parse_source
from vfs.run.enter import EnterSpec
from vfs.run.environment import inherited
from vfs.run.errand import how_it_ended
from vfs.run.inputs import Input, find_inputs, parse_input, variables
from vfs.run.output import read_output
from vfs.run.place import RunPlace, places
from vfs.run.runner import run


@pytest.fixture
def library(tmp_path: Path) -> Library:
    settings = default_settings(
        store=f"file://{tmp_path}/store", state_dir=str(tmp_path / "state"), cache_dir=str(tmp_path / "cache")
    )
    made = Library.create(settings)
    (tmp_path / "source/sub").mkdir(parents=True)
    (tmp_path / "source/sub/file").write_text("x")
    for name in ("data", "labels"):
        create_repo(made, name)
        put(made, parse_revision(name), [parse_source(f"{tmp_path}/source/")])
    return made


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("images", "images", Revision("images")),
        ("images@main", "images", Revision("images", "main")),
        ("labels=annots@v1:train", "labels", Revision("annots", "v1", path=b"train")),
        ("old=data~2", "old", Revision("data", back=2)),
        ("a-b.c=data:x=y", "a-b.c", Revision("data", path=b"x=y")),
    ],
)
def test_inputs_as_typed(text: str, name: str, revision: Revision) -> None:
    assert parse_input(text) == Input(name, revision)


@pytest.mark.parametrize(
    "text", ["", "=data", "a/b=data", "..=data", "-x=data", "a b=data", "x=", "data:../up", "x=y=z"]
)
def test_inputs_that_are_none(text: str) -> None:
    with pytest.raises(InvalidName):
        parse_input(text)


def test_the_name_of_the_output_is_taken() -> None:
    for text in ("out", "out=data"):
        with pytest.raises(UsageError, match="taken by the output directory; choose another with NAME=REV"):
            parse_input(text)


def test_inputs_in_the_store_and_their_variables(library: Library) -> None:
    given = find_inputs(library, [parse_input("data"), parse_input("my-labels.2=labels:sub")])
    assert variables(given) == {
        "VFS_OUT": "/pfs/out",
        "VFS_INPUTS": "/pfs/data /pfs/my-labels.2",
        "VFS_INPUT_DATA": "/pfs/data",
        "VFS_INPUT_MY_LABELS_2": "/pfs/my-labels.2",
    }
    assert given[1].view().path == b"sub" and given[1].commit().name == "my-labels.2"


@pytest.mark.parametrize(
    ("texts", "error", "message"),
    [
        (["data", "data:sub"], UsageError, "two inputs called data; name them apart with NAME=REV"),
        (["a-b=data", "a.b=data"], UsageError, "two inputs with the variable VFS_INPUT_A_B"),
        (["data@none"], RevisionNotFound, "none"),
        (["data:none"], PathNotFound, "data:none: no such path"),
    ],
)
def test_inputs_that_cannot_be_had(library: Library, texts: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        find_inputs(library, [parse_input(text) for text in texts])


def test_a_run_that_cannot_begin_leaves_nothing(library: Library) -> None:
    given = [parse_input("data")]
    with pytest.raises(UsageError, match="no command"):
        run(library, inputs=given, output=Revision("labels"), command=[])
    with pytest.raises(UsageError, match="no command"):
        run(library, inputs=given, output=Revision("labels"), command=["", "x"])
    with pytest.raises(UsageError, match="holds a NUL"):
        run(library, inputs=given, output=Revision("labels"), command=["true", "a\0b"])
    with pytest.raises(UsageError, match="no input"):
        run(library, inputs=[], output=Revision("labels"), command=["true"])
    with pytest.raises(UsageError, match="not to a path"):
        run(library, inputs=given, output=Revision("labels", path=b"x"), command=["true"])
    with pytest.raises(UsageError):
        run(library, inputs=given, output=Revision("labels", back=1), command=["true"])
    assert not (Path(library.settings.state_dir) / "runs").exists()


@pytest.mark.parametrize("given", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LC_CTYPE": "", "X": "\udcff"}])
def test_the_environment_is_what_the_caller_gave(given: dict[str, str]) -> None:
    """In the C locale Python sets LC_CTYPE for itself; a command is not to see that."""
    environment = {"LANG": "C", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **given}
    script = (
        "import json, vfs.run.environment as e; print(json.dumps({k.hex(): v.hex() for k, v in e.inherited().items()}))"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, timeout=30, check=True)
    seen = {bytes.fromhex(k): bytes.fromhex(v) for k, v in json.loads(done.stdout).items()}
    assert seen == {os.fsencode(k): os.fsencode(v) for k, v in environment.items()}
    assert inherited().get(b"PATH") == os.environb.get(b"PATH")


def test_a_place_keeps_what_was_written_and_nothing_else(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    empty, full = RunPlace.create(state), RunPlace.create(state)
    assert empty.is_live() and [place.id for place in places(state)] == sorted([empty.id, full.id])
    (full.out / "part").write_text("x")
    full.enter.write_text("{}")
    assert full.keep() and not empty.keep()
    assert sorted(os.listdir(full.directory)) == ["lock", "out"] and not empty.directory.exists()
    assert not places(state)[0].is_live()
    assert oct(full.out.stat().st_mode & 0o777) == "0o755" and oct(full.directory.stat().st_mode & 0o777) == "0o700"
    full.remove()
    assert places(state) == []


def test_an_output_is_read_as_a_tree(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "dir").mkdir(parents=True)
    (out / "dir/file").write_text("x")
    os.mkfifo(out / "pipe")
    writer = library.writer()
    written = read_output(library, writer, out, progress=NoProgress())
    assert [one.path for one in written.outputs] == [b"dir", b"dir/file"] and written.root.entries == 3
    assert written.warnings == ("1 fifo: skipped, a tree holds none",)


def test_an_output_that_changes_while_it_is_read_is_named(library: Library, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "file").write_bytes(b"x" * 5_000_000)

    class Meddler(NoProgress):
        def advance(self, bytes: int, files: int) -> None:
            os.utime(out / "file")

    with pytest.raises(Refused, match=r"out/file: it changed each time it was read; nothing was committed"):
        read_output(library, library.writer(), out, progress=Meddler())


def test_the_spec_of_the_helper_keeps_bytes_that_are_no_text(tmp_path: Path) -> None:
    spec = EnterSpec(views="/v\udcff", out="/o", root="/r", command=["a\nb", "\udc80", ""], mask=[2, 15])
    spec.write(tmp_path / "enter.json")
    assert EnterSpec.read(str(tmp_path / "enter.json")) == spec
    for junk in ("{", "[]", '{"views": 1}'):
        (tmp_path / "enter.json").write_text(junk)
        with pytest.raises(LocalIOError, match="cannot be read"):
            EnterSpec.read(str(tmp_path / "enter.json"))


def test_what_the_helper_says() -> None:
    assert how_it_ended(b'{"code": 3, "leftovers": 2}', 0, what="run") == (3, 2)
    assert how_it_ended(b"", -15, what="run") == (143, 0)
    with pytest.raises(DaemonError, match="was killed"):
        how_it_ended(b"", -9, what="run")
    with pytest.raises(PathNotFound, match="gone"):
        how_it_ended(b'{"wire": "path_not_found", "message": "gone"}', 1, what="run")
    for junk in (b"{", b"[]", b'{"code": "x"}'):
        with pytest.raises(DaemonError, match="not understood"):
            how_it_ended(junk, 0, what="run")
