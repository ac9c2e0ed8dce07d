"""A real S3 service behind a line that breaks: what a caller sees is right bytes or a named error, in time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator

import boto3
import pytest
from support import faultproxy as f
from support.faultproxy import Exchange, FaultProxy, fault_proxy
from support.radosgw import Radosgw, free_port

from vfs.config.settings import Settings, default_settings
from vfs.errors import ConfigError, Conflict, ObjectMissing, StoreDenied, StoreError, StoreMissing, StoreTimeout
from vfs.store.open import create_store, open_store
from vfs.store.s3_store import PART_SIZE, S3Store
from vfs.store.url import S3URL

PACK = "packs/ab/00112233445566778899aabbccddeeff"
REF = "repos/photos/heads/main"
# Seconds for one operation, and what the last attempt may add.
TIMEOUT = 4.0
AT_MOST = TIMEOUT * 1.25 + 1
BUSY = f.answers(503, "SlowDown")


@pytest.fixture
def bucket(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in radosgw.environment.items():
        monkeypatch.setenv(name, value)
    name = f"faults-{secrets.token_hex(6)}"
    radosgw.make_bucket(name)
    return name


@pytest.fixture
def line(radosgw: Radosgw) -> Iterator[FaultProxy]:
    with fault_proxy(radosgw.port) as proxy:
        yield proxy


@pytest.fixture
def store(line: FaultProxy, bucket: str) -> Iterator[S3Store]:
    made = S3Store(S3URL(bucket, "p"), settings_for(line.endpoint).s3, timeout=TIMEOUT)
    yield made
    made.close()


@pytest.fixture
def direct(radosgw: Radosgw, bucket: str) -> Iterator[S3Store]:
    """The same place, without the faults between."""
    made = S3Store(S3URL(bucket, "p"), settings_for(radosgw.endpoint).s3, timeout=TIMEOUT)
    yield made
    made.close()


def settings_for(endpoint: str, **more: object) -> Settings:
    return default_settings(timeout=TIMEOUT, s3={"endpoint": endpoint, **more})


def in_time(call: Callable[[], object], error: type[Exception], told: str) -> None:
    started = time.monotonic()
    with pytest.raises(error, match=told):
        call()
    assert time.monotonic() - started < AT_MOST


@pytest.mark.parametrize("fault", [BUSY, f.answers(500, "InternalError"), f.answers(429, ""), f.resets])
def test_a_passing_trouble_is_sat_out_by_every_call(
    store: S3Store, direct: S3Store, line: FaultProxy, fault: f.Fault
) -> None:
    line.plan("PUT", fault, fault)
    store.put(PACK, b"0123456789")
    line.plan("PUT", fault)
    version = store.swap(REF, b"one", expected=None)
    line.plan("PUT", fault)
    version = store.swap(REF, b"two", expected=version)
    line.plan("GET", fault, fault)
    assert store.get(PACK, start=2, length=3) == b"234"
    line.plan("GET", fault)
    assert [info.key for info in store.list("")] == [PACK, REF]
    line.plan("PUT", fault)
    store.remove(REF, expected=version)
    line.plan("DELETE", fault)
    store.delete(PACK)
    assert line.left == 0
    assert list(direct.list("")) == []


def test_a_lasting_trouble_is_named_in_time(store: S3Store, line: FaultProxy) -> None:
    line.plan("", *[BUSY] * 200)
    in_time(
        lambda: store.get(PACK), StoreTimeout, r"cannot be read: the service answers 503 SlowDown: as planned \(tried"
    )
    in_time(lambda: store.put(PACK, b"x"), StoreTimeout, "cannot be written: the service answers 503 SlowDown")
    in_time(lambda: list(store.list("")), StoreTimeout, "cannot be listed: the service answers 503 SlowDown")


def test_half_a_body_is_never_taken_for_the_whole(store: S3Store, line: FaultProxy) -> None:
    data = secrets.token_bytes(300_000)
    store.put(PACK, data)
    line.plan("GET", f.half, f.half)
    assert store.get(PACK) == data
    line.plan("GET", f.half)
    assert store.get(PACK, start=1000, length=200_000) == data[1000:201_000]
    line.plan("GET", f.half)
    assert [info.size for info in store.list("")] == [300_000]
    assert line.left == 0


def test_a_body_that_drips_meets_the_deadline(store: S3Store, line: FaultProxy) -> None:
    store.put(PACK, secrets.token_bytes(300_000))
    line.plan("GET", *[f.drips] * 10)
    in_time(lambda: store.get(PACK), StoreTimeout, "cannot be read: no answer in time")


def test_silence_is_asked_again_and_then_given_up(store: S3Store, line: FaultProxy) -> None:
    store.put(PACK, b"0123456789")
    line.plan("GET", f.silent)
    assert store.get(PACK) == b"0123456789"
    line.plan("PUT", f.silent)
    store.put(PACK, b"0123456789")
    line.plan("GET", *[f.silent] * 10)
    in_time(lambda: store.get(PACK), StoreTimeout, "no answer in time")


def test_a_write_whose_answer_was_lost_is_known_for_ours(store: S3Store, direct: S3Store, line: FaultProxy) -> None:
    line.plan("PUT", f.loses_answer)
    version = store.swap(REF, b"one", expected=None)
    assert direct.get_version(REF) == (b"one", version)
    for content in (b"two", b"three"):
        line.plan("PUT", f.loses_answer)
        version = store.swap(REF, content, expected=version)
        assert direct.get_version(REF) == (content, version)
    line.plan("PUT", f.loses_answer)
    store.remove(REF, expected=version)
    with pytest.raises(ObjectMissing):
        direct.get(REF)
    line.plan("PUT", f.loses_answer)
    version = store.swap(REF, b"four", expected=None)
    assert direct.get_version(REF) == (b"four", version)
    assert line.left == 0


def test_a_write_whose_answer_was_lost_and_that_was_overwritten_is_a_conflict(
    store: S3Store, direct: S3Store, line: FaultProxy
) -> None:
    first = store.swap(REF, b"one", expected=None)
    # Which form of the ETag the service matches is known from here on.
    second = store.swap(REF, b"two", expected=first)

    def loses_and_is_overtaken(exchange: Exchange) -> None:
        exchange.forward()
        direct.swap(REF, b"theirs", expected=direct.get_version(REF)[1])
        f.resets(exchange)

    line.plan("PUT", loses_and_is_overtaken)
    with pytest.raises(Conflict):
        store.swap(REF, b"ours", expected=second)
    assert direct.get(REF) == b"theirs"


def test_the_same_bytes_of_another_writer_are_not_taken_for_ours(
    store: S3Store, direct: S3Store, line: FaultProxy
) -> None:
    first = store.swap(REF, b"one", expected=None)
    second = store.swap(REF, b"two", expected=first)

    def is_overtaken_and_fails(exchange: Exchange) -> None:
        direct.swap(REF, b"three", expected=second)
        BUSY(exchange)

    line.plan("PUT", is_overtaken_and_fails)
    with pytest.raises(Conflict):
        store.swap(REF, b"three", expected=second)
    line.plan("PUT", f.loses_answer)
    store.swap(REF, b"three", expected=direct.get_version(REF)[1])
    assert line.left == 0


def test_parts_whose_answers_were_lost_make_the_object_once(store: S3Store, direct: S3Store, line: FaultProxy) -> None:
    data = secrets.token_bytes(PART_SIZE + 5)
    line.plan("POST", f.loses_answer, f.passed, f.loses_answer)
    line.plan("PUT", f.loses_answer, BUSY)
    store.put(PACK, data)
    assert line.left == 0
    assert direct.get(PACK) == data
    # The first upload begun was never heard of: what it holds is swept.
    assert direct.sweep() == 0
    assert direct.sweep(older_than=0) == 1
    assert direct.sweep(older_than=0) == 0
    assert direct.get(PACK) == data


def test_an_upload_that_fails_leaves_nothing(store: S3Store, direct: S3Store, line: FaultProxy) -> None:
    line.plan("PUT", f.passed, *[f.answers(403, "AccessDenied")] * 10)
    in_time(lambda: store.put(PACK, bytes(3 * PART_SIZE)), StoreDenied, "cannot be written: refused: 403 AccessDenied")
    assert list(direct.list("")) == []
    assert direct.sweep(older_than=0) == 0


def test_a_refused_url_is_signed_anew_once(store: S3Store, line: FaultProxy) -> None:
    store.put(PACK, b"0123456789")
    assert store.get(PACK) == b"0123456789"
    line.plan("GET", f.answers(400, "ExpiredToken"))
    assert store.get(PACK) == b"0123456789"
    line.plan("GET", f.answers(403, "ExpiredToken"), f.answers(403, "ExpiredToken"))
    in_time(lambda: store.get(PACK), StoreDenied, "cannot be read: refused: 403 ExpiredToken: as planned$")
    assert line.left == 0
    assert store.get(PACK) == b"0123456789"


def test_a_service_that_ignores_ranges_gives_the_range_all_the_same(store: S3Store, line: FaultProxy) -> None:
    store.put(PACK, b"0123456789")
    line.plan("GET", *[f.without("Range")] * 3)
    assert store.get(PACK, start=2, length=3) == b"234"
    assert store.get(PACK, start=7) == b"789"
    assert store.get(PACK, start=70, length=5) == b""
    assert line.left == 0


def test_a_trouble_is_never_taken_for_absence(store: S3Store, line: FaultProxy) -> None:
    for fault in (BUSY, f.resets, f.answers(403, "AccessDenied"), f.answers(400, "InvalidRequest")):
        line.plan("", *[fault] * 60)
        with pytest.raises(StoreError) as raised:
            store.get("packs/none", length=0)
        assert not isinstance(raised.value, ObjectMissing | StoreMissing)
        line._plan.clear()
    with pytest.raises(ObjectMissing):
        store.get("packs/none", length=0)


def test_a_service_out_of_reach_is_named(bucket: str) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    in_time(lambda: open_store(f"s3://{bucket}/p", settings_for(endpoint)), StoreTimeout, "no connection: .*refused")
    in_time(
        lambda: open_store(f"s3://{bucket}/p", settings_for("http://host.invalid:80")), StoreTimeout, "no connection: "
    )


def test_an_endpoint_that_is_none_is_a_matter_of_configuration(bucket: str) -> None:
    with pytest.raises(ConfigError, match="the client cannot be set up: invalid endpoint"):
        open_store(f"s3://{bucket}/p", settings_for("not a url"))


def test_a_bucket_that_is_not_there_is_named(radosgw: Radosgw, bucket: str) -> None:
    for call in (open_store, create_store):
        with pytest.raises(StoreMissing, match=r"^s3://no-such-bucket/p/.*: no such bucket$"):
            call("s3://no-such-bucket/p", settings_for(radosgw.endpoint))
    with pytest.raises(StoreMissing, match="no vfs store here; `vfs init s3://"):
        open_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint))


def test_wrong_and_missing_keys_are_denied(radosgw: Radosgw, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(StoreDenied, match="refused: 403 SignatureDoesNotMatch"):
        open_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint))
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(StoreDenied, match="no credentials: unable to locate credentials"):
        open_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint))


def test_a_public_store_is_read_without_keys_and_not_written(
    radosgw: Radosgw, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint))
    made.put(PACK, b"0123456789")
    made.close()
    policy = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:GetObject","s3:ListBucket"],'
        f'"Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}]}}'
    )
    client = boto3.client("s3", endpoint_url=radosgw.endpoint, region_name="us-east-1")
    client.put_bucket_policy(Bucket=bucket, Policy=policy)
    client.close()
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    public = open_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint, anonymous=True))
    assert public.get(PACK, start=3, length=4) == b"3456"
    assert [info.key for info in public.list("packs/")] == [PACK]
    with pytest.raises(StoreDenied):
        public.put(PACK, b"x")
    public.close()
