"""A real S3 service for tests: a Ceph monitor, a memory OSD and a gateway, on loopback, with a folder of their own.

Needs no systemd, no root and no configuration of the machine. The daemons stay in the foreground as children
of the test run; the kernel ends them when the run is killed.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

PROGRAMS = ("radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool")
PACKAGES = "radosgw ceph-mon ceph-osd ceph-base"
# Seconds for one step of the set-up, and for the gateway to answer; both take about one.
STEP_LIMIT = 60.0
START_LIMIT = 60.0

# Buckets are host names below it for whoever has this service as a proxy.
DNS_NAME = "s3.vfs.test"
KMS_KEY = "key-of-tests"

CONFIG = """\
[global]
fsid = {fsid}
mon host = [v1:127.0.0.1:{mon_port}]
mon initial members = a
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail warn = 1
mon data avail crit = 1
mon tick interval = 1
mon lease = 1
mon election timeout = 1
paxos propose interval = 0.01
paxos min wait = 0.01
admin socket = {directory}/run/$name.asok
log file = {directory}/log/$name.log
run dir = {directory}/run
crash dir = {directory}/run
mon data = {directory}/mon
osd data = {directory}/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd op num shards = 2
[client]
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
rgw enable ops log = false
rgw dns name = {dns_name}
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = {kms_key}=dmZzLXRlc3RzLXZmcy10ZXN0cy12ZnMtdGVzdHMtdmY=
rgw run sync thread = false
rgw enable lc threads = false
rgw override bucket index max shards = 1
rgw dynamic resharding = false
"""


# How long a new bucket may take until requests meet it.
BUCKET_SECONDS = 20.0


@dataclass
class Radosgw:
    """A running gateway: where it is and the keys of its one user."""

    directory: Path
    port: int
    access_key: str = "vfs-tests"
    secret_key: str = "not-a-secret-of-anybody"
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which boto3 finds the keys, and nothing of the user who runs the tests."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def make_bucket(self, name: str) -> None:
        """Make a bucket, with the service's own client library, and wait until it can be written to.

        The gateway remembers for a moment that there was none: on a busy machine the next request meets that.
        """
        import boto3

        client = boto3.session.Session(self.access_key, self.secret_key, region_name="us-east-1").client(
            "s3", endpoint_url=self.endpoint
        )
        try:
            client.create_bucket(Bucket=name)
            end = time.monotonic() + BUCKET_SECONDS
            while not self._writable(client, name):
                if time.monotonic() > end:
                    raise TimeoutError(f"bucket {name}: made, and not there after {BUCKET_SECONDS} s")
                time.sleep(0.1)
        finally:
            client.close()

    @staticmethod
    def _writable(client: S3Client, name: str) -> bool:
        try:
            client.put_object(Bucket=name, Key="ready", Body=b"")
            client.delete_object(Bucket=name, Key="ready")
        except client.exceptions.NoSuchBucket:
            return False
        return True

    def admin(self, *words: str) -> None:
        """Run radosgw-admin, `key create --uid=tests …` for one."""
        _step(self, ["radosgw-admin", *_conf(self.directory / "ceph.conf"), *words])

    def stop(self) -> None:
        """End the daemons, newest first. All they hold is thrown away, so nothing is gained by asking first."""
        for daemon in reversed(self.daemons):
            daemon.kill()
            daemon.wait(10)
        self.daemons.clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def missing_programs() -> list[str]:
    return [name for name in PROGRAMS if shutil.which(name) is None]


def start(directory: Path) -> Radosgw:
    """Start the three daemons in `directory`; whoever calls this calls `stop`."""
    gateway = Radosgw(directory, free_port())
    mon_port, fsid = free_port(), str(uuid.uuid4())
    for name in ("mon", "osd", "run", "log"):
        (directory / name).mkdir(parents=True)
    config = directory / "ceph.conf"
    text = CONFIG.format(
        fsid=fsid, mon_port=mon_port, directory=directory, port=gateway.port, dns_name=DNS_NAME, kms_key=KMS_KEY
    )
    config.write_text(text)
    try:
        _start_monitor(gateway, config, fsid, mon_port)
        _start_osd(gateway, config)
        _make_user(gateway, config)
        _daemon(gateway, ["radosgw", *_conf(config), "-n", "client.rgw", "-f"])
        _wait_for(gateway, gateway.port)
    except BaseException:
        gateway.stop()
        raise
    return gateway


def _start_monitor(gateway: Radosgw, config: Path, fsid: str, port: int) -> None:
    monmap = str(gateway.directory / "monmap")
    _step(gateway, ["monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{port}]", monmap])
    _step(gateway, ["ceph-mon", *_conf(config), "-i", "a", "--mkfs", "--monmap", monmap])
    _daemon(gateway, ["ceph-mon", *_conf(config), "-i", "a", "-f"])
    _wait_for(gateway, port)


def _start_osd(gateway: Radosgw, config: Path) -> None:
    osd = str(uuid.uuid4())
    # In this order: an OSD that is made before the monitor answers takes no cluster id and is refused later.
    _step(gateway, ["ceph", *_conf(config), "osd", "new", osd, "0"])
    _step(gateway, ["ceph-osd", *_conf(config), "-i", "0", "--mkfs", "--osd-uuid", osd])
    _daemon(gateway, ["ceph-osd", *_conf(config), "-i", "0", "-f"])


def _make_user(gateway: Radosgw, config: Path) -> None:
    """The first request that needs the OSD. It may have ended meanwhile: its first message to the monitor can go
    out before it has learned the id of the cluster, and it gives up at the answer. Started again it is fine.
    """
    keys = ["--uid=tests", "--display-name=tests", f"--access-key={gateway.access_key}"]
    words = ["radosgw-admin", *_conf(config), "user", "create", *keys, f"--secret={gateway.secret_key}"]
    end = time.monotonic() + STEP_LIMIT
    with open(gateway.directory / "log" / "user.out", "wb") as out:
        admin = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_environment(gateway))
    try:
        while admin.poll() is None and time.monotonic() < end:
            if gateway.daemons[-1].poll() is not None:
                gateway.daemons.pop()
                _daemon(gateway, ["ceph-osd", *_conf(config), "-i", "0", "-f"])
            time.sleep(0.05)
    finally:
        admin.kill()
    if admin.wait(10) != 0:
        raise RuntimeError(f"radosgw-admin exited {admin.returncode}; its output is in {out.name}")


def _conf(config: Path) -> list[str]:
    return ["--conf", str(config)]


def _step(gateway: Radosgw, words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, timeout=STEP_LIMIT, check=False, env=_environment(gateway))
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]} exited {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")


def _daemon(gateway: Radosgw, words: list[str]) -> None:
    owner = ["--setuser", "root", "--setgroup", "root"] if os.geteuid() == 0 else []
    with open(gateway.directory / "log" / f"{words[0]}.out", "wb") as out:
        gateway.daemons.append(
            subprocess.Popen(
                # The kernel sends TERM when the test run dies without having stopped its daemons.
                ["setpriv", "--pdeathsig", "TERM", *words, *owner],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=_environment(gateway),
            )
        )


def _environment(gateway: Radosgw) -> dict[str, str]:
    return {**os.environ, "CEPH_CONF": str(gateway.directory / "ceph.conf"), "PYTHONWARNINGS": "ignore"}


def _wait_for(gateway: Radosgw, port: int) -> None:
    end = time.monotonic() + START_LIMIT
    while time.monotonic() < end:
        for daemon in gateway.daemons:
            if daemon.poll() is not None:
                raise RuntimeError(f"{daemon.args} ended with {daemon.returncode} while starting")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"port {port} did not answer within {START_LIMIT:g} s")


@pytest.fixture(scope="session")
def radosgw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Radosgw]:
    """One gateway for the whole run; tests that need it are skipped by name where Ceph is not installed."""
    missing = missing_programs()
    if missing:
        pytest.skip(f"no S3 service: {', '.join(missing)} not found; apt-get install {PACKAGES}")
    gateway = start(tmp_path_factory.mktemp("radosgw"))
    try:
        yield gateway
    finally:
        gateway.stop()
