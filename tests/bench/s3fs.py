"""s3fs, the peer that reads S3 only."""

from __future__ import annotations

from pathlib import Path

from bench.machine import drop_caches
from bench.measure import Bench
from bench.peers import Peer
from bench.s3_service import BUCKET, Service
from bench.stopped import BenchError


class S3fs(Peer):
    """`s3fs` on the bucket of raw objects, without a cache on disk, with as many connections as the yardstick."""

    name = "s3fs"
    programs = ("s3fs",)

    def attach(self, service: Service) -> Path:
        """Mount the bucket through the proxy of `service`."""
        point = self.fresh_point()
        keys = self.place / "keys"
        keys.touch(mode=0o600)
        keys.write_text(f"{service.gateway.access_key}:{service.gateway.secret_key}\n")
        options = f"url={service.proxy.endpoint},use_path_request_style,passwd_file={keys},ro,parallel_count=16"
        self.serve(["s3fs", BUCKET, str(point), "-f", "-o", options])
        return point

    def sequential(
        self, bench: Bench, service: Service, size: int, best: float
    ) -> tuple[dict[str, float], dict[str, str]]:
        """Its rate through a large object as a ratio to the best yardstick, or why there is none."""
        if reason := self.absent():
            return {}, {self.name: reason}
        try:
            point = self.attach(service)
            drop_caches()
            took = bench.read([bench.reader, "seq", "1", str(point / "large.bin")], "inside")
        except BenchError as error:
            return {}, {self.name: str(error)}
        finally:
            self.unmount()
        return {self.name: best / took}, {}
