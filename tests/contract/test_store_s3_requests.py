"""What the settings make of requests to a real S3 service: where the bucket stands, who pays, what is encrypted."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator

import boto3
import pytest
from support import faultproxy as f
from support.faultproxy import FaultProxy, fault_proxy
from support.radosgw import DNS_NAME, KMS_KEY, Radosgw

from vfs.config.settings import Settings, default_settings
from vfs.errors import ConfigError, StoreDenied
from vfs.store.open import create_store, open_store
from vfs.store.s3_store import PART_SIZE, S3Store
from vfs.store.url import S3URL

PACK = "packs/ab/00112233445566778899aabbccddeeff"
REF = "repos/photos/heads/main"


@pytest.fixture
def bucket(radosgw: Radosgw, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in radosgw.environment.items():
        monkeypatch.setenv(name, value)
    name = f"requests-{secrets.token_hex(6)}"
    radosgw.make_bucket(name)
    return name


@pytest.fixture
def line(radosgw: Radosgw) -> Iterator[FaultProxy]:
    with fault_proxy(radosgw.port) as proxy:
        yield proxy


def settings_for(endpoint: str, **more: object) -> Settings:
    return default_settings(timeout=10, s3={"endpoint": endpoint, **more})


def store_for(bucket: str, endpoint: str, **more: object) -> S3Store:
    return S3Store(S3URL(bucket, "p"), settings_for(endpoint, **more).s3, timeout=10)


def use_everything(store: S3Store) -> None:
    """Each kind of request once."""
    data = secrets.token_bytes(PART_SIZE + 1)
    store.put(PACK, data)
    assert store.get(PACK) == data
    assert store.get(PACK, start=PART_SIZE - 1, length=2) == data[-2:]
    store.get(PACK, length=0)
    version = store.swap(REF, b"one", expected=None)
    assert store.get_version(REF) == (b"one", version)
    store.remove(REF, expected=store.swap(REF, b"two", expected=version))
    assert [info.key for info in store.list("")] == [PACK]
    store.sweep(older_than=0)
    store.delete(PACK)


def test_a_requester_who_pays_says_so_with_every_request(bucket: str, line: FaultProxy) -> None:
    store = store_for(bucket, line.endpoint, requester_pays=True)
    use_everything(store)
    store.close()
    assert len(line.heads) > 12
    assert [head for head in line.heads if "\r\nx-amz-request-payer: requester" not in head] == []
    # A signed URL is good for nothing without the header that was signed with it.
    signed = [head for head in line.heads if "X-Amz-Signature=" in head]
    assert len(signed) >= 3
    assert all("SignedHeaders=host%3Bx-amz-request-payer" in head for head in signed)


def test_nobody_pays_who_was_not_asked_to(bucket: str, line: FaultProxy) -> None:
    store = store_for(bucket, line.endpoint)
    use_everything(store)
    store.close()
    assert [head for head in line.heads if re.search("request-payer|server-side-encryption", head, re.I)] == []


def test_objects_are_encrypted_with_the_key_that_is_named(radosgw: Radosgw, bucket: str) -> None:
    store = store_for(bucket, radosgw.endpoint, encryption="aws:kms", kms_key=KMS_KEY)
    large, small = secrets.token_bytes(PART_SIZE + 1), b"a small object"
    store.put(PACK, large)
    store.put("packs/aa/small", small)
    store.swap(REF, b"two", expected=store.swap(REF, b"one", expected=None))
    client = boto3.client("s3", endpoint_url=radosgw.endpoint, region_name="us-east-1")
    for key in (PACK, "packs/aa/small", REF):
        head = client.head_object(Bucket=bucket, Key=f"p/{key}")
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KMS_KEY)
    client.close()
    assert store.get(PACK) == large
    assert store.get(PACK, start=PART_SIZE - 1) == large[-2:]
    assert (store.get("packs/aa/small"), store.get(REF)) == (small, b"two")
    store.close()


def test_the_own_keys_of_the_service_are_asked_for_where_objects_are_made(bucket: str, line: FaultProxy) -> None:
    store = store_for(bucket, line.endpoint, encryption="AES256")
    use_everything(store)
    store.close()
    asked = {head.split(" ")[0] for head in line.heads if "\r\nx-amz-server-side-encryption: AES256" in head}
    assert asked == {"PUT", "POST"}
    parts = [head for head in line.heads if "partNumber=" in head]
    assert parts
    assert not any("server-side-encryption" in head for head in parts)


def test_a_bucket_may_stand_in_the_host_name(bucket: str, line: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", line.endpoint)
    line.rule = f.as_http_proxy
    store = store_for(bucket, f"http://{DNS_NAME}", addressing="virtual")
    use_everything(store)
    store.close()
    targets = {head.split(" ")[1].split("/p")[0].split("/?")[0].split("?")[0] for head in line.heads}
    assert targets == {f"http://{bucket}.{DNS_NAME}"}


def test_a_bucket_may_stand_in_the_path(bucket: str, line: FaultProxy) -> None:
    for addressing in ("path", "auto"):
        store = store_for(bucket, line.endpoint, addressing=addressing)
        use_everything(store)
        store.close()
    assert {head.split(" ")[1].split("?")[0].split("/")[1] for head in line.heads} == {bucket}


def test_a_profile_names_the_credentials(
    radosgw: Radosgw, bucket: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    path = f"{tmp_path}/credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", path)
    with open(path, "w") as file:
        file.write("[default]\naws_access_key_id = nobody\naws_secret_access_key = nothing\n")
        file.write(f"[team]\naws_access_key_id = {radosgw.access_key}\naws_secret_access_key = {radosgw.secret_key}\n")
    with pytest.raises(StoreDenied, match="InvalidAccessKeyId"):
        create_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint))
    create_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint, profile="team")).close()
    open_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint, profile="team")).close()
    with pytest.raises(ConfigError, match=r"the client cannot be set up: .*\(other\) could not be found"):
        open_store(f"s3://{bucket}/p", settings_for(radosgw.endpoint, profile="other"))


def test_uploads_that_crashed_writers_left_are_dropped_by_the_next_writer(
    radosgw: Radosgw, bucket: str, line: FaultProxy
) -> None:
    client = boto3.client("s3", endpoint_url=radosgw.endpoint, region_name="us-east-1")

    def uploads() -> set[str]:
        return {upload["Key"] for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", [])}

    def begin(key: str) -> None:
        client.create_multipart_upload(Bucket=bucket, Key=key)

    begin(f"p/{PACK}")
    begin("somebody/else")
    time.sleep(1.2)
    begin("p/packs/aa/under-way")
    assert len(uploads()) == 3
    reader = S3Store(S3URL(bucket, "p"), settings_for(line.endpoint).s3, timeout=10, sweep_age=1.0)
    assert list(reader.list("")) == []
    reader.close()
    assert len(uploads()) == 3
    writer = S3Store(S3URL(bucket, "p"), settings_for(line.endpoint).s3, timeout=10, sweep_age=1.0)
    for number in range(3):
        writer.put(f"packs/aa/{number}", b"x")
    writer.close()
    assert uploads() == {"somebody/else", "p/packs/aa/under-way"}
    assert sum("uploads" in head.split("\r\n")[0] for head in line.heads) == 1
    client.close()


def test_who_may_not_list_uploads_writes_all_the_same(bucket: str, line: FaultProxy) -> None:
    writer = S3Store(S3URL(bucket, "p"), settings_for(line.endpoint).s3, timeout=10, sweep_age=1.0)
    line.plan("GET", f.answers(403, "AccessDenied"))
    writer.put(PACK, b"x")
    writer.close()
    assert line.left == 0
    assert store_for(bucket, line.endpoint).get(PACK) == b"x"
