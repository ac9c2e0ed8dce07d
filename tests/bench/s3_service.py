"""Running S3 services with a proxy before each, and the objects that the yardsticks read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from support import radosgw

from bench.proxy import Proxy
from bench.stopped import BenchError, run

BUCKET = "bench"
HERE = Path(__file__).resolve().parent
PIECE = 8 << 20


class Service:
    """One gateway, its bucket and its proxy."""

    def __init__(self, place: Path, program: str) -> None:
        self.gateway = radosgw.start(place)
        try:
            self.gateway.make_bucket(BUCKET)
            self.proxy = Proxy(program, place, self.gateway.port)
        except BaseException:
            self.gateway.stop()
            raise

    def settings(self, endpoint: str) -> dict[str, str]:
        """Variables that let vfs and boto3 find it at `endpoint`."""
        return {**self.gateway.environment, "VFS_S3_ENDPOINT": endpoint, "VFS_S3_REGION": "us-east-1"}

    def upload(self, key: str, path: Path) -> None:
        """One object, as it is."""
        import boto3

        keys = (self.gateway.access_key, self.gateway.secret_key)
        client = boto3.session.Session(*keys, region_name="us-east-1").client("s3", endpoint_url=self.gateway.endpoint)
        client.upload_file(str(path), BUCKET, key)
        client.close()

    def fetch(self, threads: int, piece: int, *keys: str, direct: bool = False) -> float:
        """Seconds that plain GETs take: of ranges of one object, or of whole objects."""
        endpoint = self.gateway.endpoint if direct else self.proxy.endpoint
        words = [sys.executable, str(HERE / "ranged_gets.py"), endpoint, BUCKET, str(threads), str(piece), *keys]
        done = run(words, env={"PATH": "/usr/bin:/bin", **self.gateway.environment})
        return float(json.loads(done.stdout)["ns"]) / 1e9

    def stop(self) -> None:
        """End proxy and gateway."""
        self.proxy.stop()
        self.gateway.stop()


class Services:
    """Services by name, started when first asked for: one gateway holds 4 GiB in memory, the data is more."""

    def __init__(self, place: Path, program: str) -> None:
        self._place, self._program = place, program
        self._running: dict[str, Service] = {}

    def get(self, name: str) -> Service:
        """The service of that name."""
        if missing := radosgw.missing_programs():
            raise BenchError(f"no S3 service: {', '.join(missing)} not found; apt-get install {radosgw.PACKAGES}")
        if name not in self._running:
            self._running[name] = Service(self._place / name, self._program)
        return self._running[name]

    def stop(self) -> None:
        """End all."""
        while self._running:
            self._running.popitem()[1].stop()
