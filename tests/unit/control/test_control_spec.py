"""Mount specifications: they survive the file, and parts that do not fit together are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vfs.control.spec import MountSpec, View, check_spec, decode_spec, encode_spec, read_spec, view_of, write_spec
from vfs.errors import ConfigError, LocalIOError, UsageError
from vfs.model.commit import Commit, Locations, StoredCommit, decode_commit, encode_commit
from vfs.model.entry import BlobRef
from vfs.store.marker import Marker

MakeSpec = Callable[..., MountSpec]

names = st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name and b"/" not in name)
labels = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,20}", fullmatch=True).filter(lambda name: name != "out")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    mountpoint=names, title=st.text(max_size=40), path=st.lists(names, max_size=4), views=st.sets(labels, min_size=1)
)
def test_any_spec_survives_encoding(
    make_spec: MakeSpec, mountpoint: bytes, title: str, path: list[bytes], views: set[str]
) -> None:
    inner = b"/".join(part for part in path if part not in (b".", b".."))
    spec = make_spec(
        kind="views",
        mountpoint="/" + os.fsdecode(mountpoint),
        title=title.encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
        views=tuple(View(name, "r", "0f" * 32, inner) for name in sorted(views)),
    )
    assert decode_spec(encode_spec(spec), "test") == spec


def test_spec_survives_its_file(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(
        session="s", allow_other=False, metrics_port=9000, owner_pid=7, command=(b"vfs", b"\xff"), cwd=b"/\xfe"
    )
    write_spec(str(tmp_path / "spec.json"), spec)
    assert read_spec(str(tmp_path / "spec.json")) == spec


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"id": "../../etc"}, "not 16 hex digits"),
        ({"kind": "all"}, "kind all with 1 views"),
        ({"views": ()}, "kind rev with 0 views"),
        ({"kind": "views", "views": ()}, "kind views with 0 views"),
        ({"views": (View("", "r", "xyz"),)}, "not 64 hex digits"),
        ({"views": (View("", "../r", "ab" * 32),)}, "repo '../r'"),
        ({"views": (View("", "r", "ab" * 32, b"a/../b"),)}, "not a file name"),
        ({"kind": "views", "views": (View("a/b", "r", "ab" * 32),)}, "no slash"),
        ({"kind": "views", "views": (View("out", "r", "ab" * 32),)}, "output directory"),
        ({"kind": "views", "views": (View("a", "r", "ab" * 32), View("a", "r", "cd" * 32))}, "two views of one name"),
        ({"layer": "/layer"}, "go together"),
        ({"read_only": False}, "go together"),
        ({"session": "s", "lineage": "off"}, "expects reads, and lineage off"),
        ({"metrics_port": 65536}, "not a port"),
    ],
)
def test_parts_that_do_not_fit_are_refused(make_spec: MakeSpec, fields: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        check_spec(make_spec(**fields))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"id": 1}', b"\xff\xfe", b'{"version": 99}', b"[" * 100_000, b'{"a":' * 100_000],
)
def test_junk_is_refused_and_named(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"^some file: "):
        decode_spec(data, "some file")


def test_another_version_and_unknown_fields_are_refused(make_spec: MakeSpec) -> None:
    data = encode_spec(make_spec())
    with pytest.raises(ConfigError, match="version 2, this vfs reads 1"):
        decode_spec(data.replace(b'"version": 1', b'"version": 2'), "spec")
    with pytest.raises(ConfigError, match="unknown field"):
        decode_spec(data.replace(b'"version": 1', b'"version": 1, "more": 2'), "spec")


def test_files_that_are_missing_or_huge_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalIOError, match="no such file"):
        read_spec(str(tmp_path / "none"))
    huge = tmp_path / "huge"
    huge.write_bytes(b" " * (2 << 20))
    with pytest.raises(ConfigError, match="over 1 MiB"):
        read_spec(str(huge))


def test_a_view_brings_along_the_commit_that_was_read(make_spec: MakeSpec) -> None:
    root = BlobRef(b"r" * 32, 100, b"p" * 16, 5, 50)
    for message, there in (("short", True), ("long" * 2000, False)):
        commit = Commit(
            repo="r", parents=(), root=root.digest, entries=1, size=0, author="a", time_ns=1, message=message
        )
        stored = StoredCommit(encode_commit(commit, Locations(root))[0], commit, Locations(root))
        view = view_of("r", stored, path=b"sub")
        assert (view.repo, view.commit, view.path) == ("r", stored.id.hex(), b"sub")
        assert bool(view.stored) is there
        spec = make_spec(views=(view,), marker=Marker(1, "ab" * 16))
        again = decode_spec(encode_spec(spec), "spec")
        assert again == spec
        assert not there or decode_commit(stored.id, again.views[0].stored) == stored
