"""Credentials on their way to a real S3 service: refreshed when they expire, renewed when replaced, shown to nobody."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import urllib3
from support import faultproxy as f
from support.accesskeys import Keys
from support.faultproxy import fault_proxy
from support.radosgw import Radosgw

import vfs.store.s3
import vfs.store.s3_session
from vfs.config.settings import Settings, default_settings
from vfs.errors import StoreDenied
from vfs.store.s3_store import S3Store
from vfs.store.url import S3URL

PACK = "packs/ab/00112233445566778899aabbccddeeff"


@pytest.fixture
def bucket(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in radosgw.environment.items():
        monkeypatch.setenv(name, value)
    name = f"credentials-{secrets.token_hex(6)}"
    radosgw.make_bucket(name)
    return name


@pytest.fixture
def keys(radosgw: Radosgw, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    made = Keys(radosgw, tmp_path)
    yield made
    for key, _ in made.made:
        made.remove(key)


def settings_for(endpoint: str, **more: object) -> Settings:
    return default_settings(timeout=10, s3={"endpoint": endpoint, **more})


def store_for(bucket: str, endpoint: str) -> S3Store:
    return S3Store(S3URL(bucket, "p"), settings_for(endpoint).s3, timeout=10)


def test_credentials_that_expire_are_refreshed(radosgw: Radosgw, bucket: str, keys: Keys) -> None:
    first = keys.make()
    # Within ten minutes of their end boto3 asks for others.
    keys.give(first, seconds=60)
    store = store_for(bucket, radosgw.endpoint)
    store.put(PACK, b"0123456789")
    assert store.get(PACK) == b"0123456789"
    keys.give(keys.make(), seconds=60)
    keys.remove(first[0])
    # The URL in use was signed with the key that is gone.
    assert store.get(PACK, start=3, length=4) == b"3456"
    store.put(PACK, b"9876543210")
    assert store.get(PACK) == b"9876543210"
    store.close()


def test_urls_end_with_the_credentials_that_signed_them(
    bucket: str, keys: Keys, radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vfs.store.s3_session, "_LOOK_AGAIN", 0.0)
    first, second = keys.make(), keys.make()
    keys.give(first, seconds=60)
    with fault_proxy(radosgw.port) as line:
        store = store_for(bucket, line.endpoint)
        store.put(PACK, b"0123456789")
        for pair in (first, second):
            keys.give(pair, seconds=60)
            line.clear()
            assert store.get(PACK) == b"0123456789"
            # At the first request, without a refusal before: both keys would still do.
            assert len(line.heads) == 1
            assert f"X-Amz-Credential={pair[0]}" in line.heads[0]
        store.close()


def test_credentials_with_hours_to_go_are_asked_for_once(radosgw: Radosgw, bucket: str, keys: Keys) -> None:
    keys.give(keys.make(), seconds=7200)
    store = store_for(bucket, radosgw.endpoint)
    store.put(PACK, b"0123456789")
    for start in range(10):
        assert store.get(PACK, start=start, length=1) == b"%d" % start
    assert keys.asked == 1
    store.close()


def test_credentials_that_were_replaced_are_found(
    radosgw: Radosgw, bucket: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when another program writes new ones into ~/.aws/credentials: boto3 itself never looks again."""
    monkeypatch.setattr(vfs.store.s3, "_RENEW_AFTER", 0.0)
    path = keys.directory / "static"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))

    def write(pair: tuple[str, str]) -> None:
        path.write_text(f"[default]\naws_access_key_id = {pair[0]}\naws_secret_access_key = {pair[1]}\n")

    first = keys.make()
    write(first)
    store = store_for(bucket, radosgw.endpoint)
    store.put(PACK, b"0123456789")
    assert store.get(PACK) == b"0123456789"
    keys.remove(first[0])
    with pytest.raises(StoreDenied, match="InvalidAccessKeyId"):
        store.get(PACK)
    write(keys.make())
    assert store.get(PACK) == b"0123456789"
    store.put(PACK, b"9876543210")
    store.close()


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        ("/no/such/program", "no such file or directory"),
        ("echo not-json", "expecting value"),
        ("false", "error when retrieving credentials"),
    ],
)
def test_a_program_that_gives_no_credentials_is_named(
    radosgw: Radosgw, bucket: str, keys: Keys, program: str, cause: str
) -> None:
    (keys.directory / "config").write_text(f"[default]\ncredential_process = {program}\n")
    with pytest.raises(StoreDenied, match=rf"^s3://{bucket}: no credentials: .*(?i:{cause})"):
        store_for(bucket, radosgw.endpoint)


@pytest.mark.parametrize(
    ("minutes", "told"), [(16, "16 min behind"), (-20, "20 min ahead of"), (0, "^[^:]*:[^:]*: cannot be read: refused")]
)
def test_a_clock_that_is_off_is_named(radosgw: Radosgw, bucket: str, minutes: int, told: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True)
    with fault_proxy(radosgw.port) as line:
        store = store_for(bucket, line.endpoint)
        line.plan("", *[f.answers(403, "AccessDenied", date=date)] * 4)
        with pytest.raises(StoreDenied, match=told):
            store.get(PACK)
        line.clear()
        line.plan("", *[f.answers(403, "RequestTimeTooSkewed", date=date)] * 4)
        with pytest.raises(StoreDenied, match=r"the clock of this host is .*(that of the service|off): refused: 403"):
            store.put(PACK, b"x")
        store.close()


@pytest.mark.expects_warnings(r"Failed to parse headers .*X-Amz-Signature=…")
def test_urllib3_does_not_log_what_signs_a_url(radosgw: Radosgw, bucket: str, caplog: pytest.LogCaptureFixture) -> None:
    def junk(exchange: f.Exchange) -> None:
        exchange.client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno header at all\r\n\r\nok")

    with fault_proxy(radosgw.port) as line, caplog.at_level(logging.DEBUG, "urllib3"):
        store = store_for(bucket, line.endpoint)
        line.plan("GET", junk)
        assert store.get(PACK) == b"ok"
        store.close()
    assert "X-Amz-Signature=" in line.heads[0]
    signature = line.heads[0].partition("X-Amz-Signature=")[2][:64]
    assert len(signature) == 64
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "X-Amz-Signature=…" in logged
    assert signature not in logged
    assert radosgw.access_key not in logged


def test_what_is_told_of_a_broken_line_signs_nothing() -> None:
    from vfs.store.s3_failures import one_line

    url = "http://h/b/k?X-Amz-Credential=AKID%2F2026&X-Amz-Security-Token=TOKEN&X-Amz-Signature=0123abcd"
    told = one_line(urllib3.exceptions.ProtocolError(f"Cannot follow {url} (at {time.time():.0f})"))
    assert not any(word in told for word in ("AKID", "TOKEN", "0123abcd"))
    assert "http://h/b/k?" in told
