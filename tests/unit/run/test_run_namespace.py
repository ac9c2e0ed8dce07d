"""What `/pfs` is made of, in a process of its own: a new root or the directory that is there; and what forbids it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vfs.errors import MountError
from vfs.run import namespace
from vfs.workspace.syscalls import CLONE_NEWNS

ENTERED = """
import json, os, sys
from vfs.run.namespace import enter
views, out, root = sys.argv[1:4]
before = os.getcwd(), os.getuid(), os.getgid()
enter(views=views, out=out, root=root)
assert before == (os.getcwd(), os.getuid(), os.getgid())
open("/pfs/out/made", "w").write("made")
def refused(path):
    try:
        open(path, "w")
    except OSError as error:
        return error.errno
print(json.dumps({
    "pfs": sorted(os.listdir("/pfs")), "file": open("/pfs/one/file").read(), "root": sorted(os.listdir("/")),
    "write": refused("/written-to-the-root"), "here": sorted(os.listdir(".")), "null": open("/dev/null").read(),
    "self": os.path.basename(os.readlink("/proc/self")) == str(os.getpid()),
}))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("views/one", "views/out", "out", "root", "here"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "views/one/file").write_text("content")
    (tmp_path / "here/mine").write_text("")
    return tmp_path


def entered(place: Path, *before: str) -> dict[str, object]:
    words = [sys.executable, "-P", "-c", ENTERED, *(str(place / name) for name in ("views", "out", "root"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(
        [*before, *words], cwd=place / "here", env=environment, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert (place / "out/made").read_text() == "made"
    return dict(json.loads(done.stdout))


@pytest.mark.root
@pytest.mark.skipif(os.path.isdir("/pfs"), reason="this machine has a /pfs")
def test_a_new_root_shows_everything_and_pfs(place: Path) -> None:
    seen = entered(place)
    assert seen["pfs"] == ["one", "out"] and seen["file"] == "content" and seen["here"] == ["mine"]
    assert set(os.listdir("/")) | {"pfs"} == set(seen["root"]) and seen["self"]
    assert seen["write"] == errno.EROFS and not Path("/written-to-the-root").exists()
    assert not Path("/pfs").exists() and os.listdir(place / "root") == []
    table = Path("/proc/self/mountinfo").read_text()
    assert str(place) not in table


@pytest.mark.root
def test_a_directory_pfs_is_used_where_there_is_one(place: Path) -> None:
    """In a namespace whose root is a copy with /pfs in it, made by the same means."""
    outer = f"""
import os, sys
from vfs.run.namespace import enter
for name in ("v/one", "v/out", "o", "r"):
    os.makedirs({str(place)!r} + "/outer/" + name)
enter(views={str(place)!r} + "/outer/v", out={str(place)!r} + "/outer/o", root={str(place)!r} + "/outer/r")
os.execv(sys.argv[1], sys.argv[1:])
"""
    seen = entered(place, sys.executable, "-P", "-c", outer)
    assert seen["pfs"] == ["one", "out"] and seen["file"] == "content" and seen["here"] == ["mine"]


def test_without_namespaces_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    asked: list[int] = []

    def refuse(flags: int) -> None:
        asked.append(flags)
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(namespace.syscalls, "unshare", refuse)
    with pytest.raises(
        MountError, match=r"no namespace for its inputs: operation not permitted; run as root, let users"
    ):
        namespace.enter(views=str(place / "views"), out=str(place / "out"), root=str(place / "root"))
    assert asked[0] == CLONE_NEWNS and asked[1] != CLONE_NEWNS and len(asked) == 2


def test_a_working_directory_that_is_gone_is_said_so(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    def gone() -> str:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(namespace.os, "getcwd", gone)
    with pytest.raises(MountError, match="working directory: cannot be reached"):
        namespace.enter(views=str(place / "views"), out=str(place / "out"), root=str(place / "root"))
