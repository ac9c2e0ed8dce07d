"""A service without conditional writes: found out, refused, and used when that is asked for by name."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import pytest
from support import faultproxy as f
from support.faultproxy import FaultProxy, fault_proxy
from support.radosgw import Radosgw

from vfs.config.settings import Settings, default_settings
from vfs.errors import Conflict, ObjectMissing, StoreError, StoreMissing
from vfs.store.compared import ComparedStore
from vfs.store.marker import read_marker
from vfs.store.open import create_store, open_store

REF = "repos/photos/heads/main"
Vfs = Callable[..., "CompletedProcess[bytes]"]


@pytest.fixture(params=[f.knows_no_conditions, f.ignores_conditions], ids=["answers-501", "ignores"])
def line(request: pytest.FixtureRequest, radosgw: Radosgw) -> Iterator[FaultProxy]:
    with fault_proxy(radosgw.port) as proxy:
        proxy.rule = request.param
        yield proxy


@pytest.fixture
def url(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in radosgw.environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"unsafe-{secrets.token_hex(6)}"
    radosgw.make_bucket(bucket)
    return f"s3://{bucket}/p"


def settings_for(endpoint: str) -> Settings:
    return default_settings(timeout=10, s3={"endpoint": endpoint})


def test_no_store_is_made_there_unasked(url: str, line: FaultProxy) -> None:
    with pytest.raises(StoreError, match=r"could overwrite each other's commits, --unsafe makes .*conditional writes"):
        create_store(url, settings_for(line.endpoint))
    with pytest.raises(StoreMissing):
        open_store(url, settings_for(line.endpoint))
    line.rule = f.passed
    # Nothing of the attempt is left, and with conditions it is a store like any other.
    made = create_store(url, settings_for(line.endpoint), unsafe=True)
    assert [info.key for info in made.list("")] == ["vfs.json"]
    assert not read_marker(made).unsafe
    assert not isinstance(made, ComparedStore)
    made.close()


def test_refs_are_compared_before_they_are_written(url: str, line: FaultProxy) -> None:
    first = create_store(url, settings_for(line.endpoint), unsafe=True)
    second = open_store(url, settings_for(line.endpoint))
    assert json.loads(second.get("vfs.json")) == {"format": 1, "id": read_marker(first).id, "unsafe": True}
    one = first.swap(REF, b"one", expected=None)
    with pytest.raises(Conflict, match=REF):
        second.swap(REF, b"other", expected=None)
    two = second.swap(REF, b"two", expected=one)
    for call in (lambda: first.swap(REF, b"x", expected=one), lambda: first.remove(REF, expected=one)):
        with pytest.raises(Conflict, match=REF):
            call()
    assert first.get_version(REF) == (b"two", two)
    first.remove(REF, expected=two)
    with pytest.raises(ObjectMissing):
        second.get(REF)
    second.swap(REF, b"three", expected=None)
    first.close()
    second.close()


def test_who_is_overwritten_at_once_is_told(url: str, line: FaultProxy) -> None:
    first = create_store(url, settings_for(line.endpoint), unsafe=True)
    second = open_store(url, settings_for(line.endpoint))
    one = first.swap(REF, b"one", expected=None)

    def is_overtaken(exchange: f.Exchange) -> None:
        answer = exchange.forward()
        second.put(REF, b"theirs")
        exchange.client.sendall(answer)

    line.plan("PUT", is_overtaken)
    with pytest.raises(Conflict, match=REF):
        first.swap(REF, b"ours", expected=one)
    assert first.get(REF) == b"theirs"
    first.close()
    second.close()


def test_the_command_names_the_flag_and_what_is_not_safe(
    url: str, line: FaultProxy, vfs: Vfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VFS_STORE", url)
    monkeypatch.setenv("VFS_S3_ENDPOINT", line.endpoint)
    refused = vfs("init", ok=False)
    assert refused.returncode == 3
    assert b"--unsafe" in refused.stderr
    made = vfs("init", "--unsafe")
    told = b"two hosts that commit to one branch at the same moment may overwrite each other"
    assert told in made.stderr
    assert told in vfs("init").stderr
    vfs("repo", "create", "texts")
    for name in ("one", "two"):
        vfs("put", "texts", "-", "--prefix", name, input=name.encode())
    assert vfs("cat", "texts:two").stdout == b"two"
    assert len(json.loads(vfs("log", "texts", "--json").stdout)) == 2
