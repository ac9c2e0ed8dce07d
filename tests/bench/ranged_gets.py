"""The yardsticks of the S3 part: plain boto3 in plain threads. Prints nanoseconds.

Run as a program: `ranged_gets.py ENDPOINT BUCKET THREADS PIECE KEY...`. One key with a PIECE over 0 is read in
ranges of that size by all threads; else each key is one GET. Connections and client are made before the clock starts.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator

import boto3
import botocore.config


def _ranges(size: int, piece: int) -> Iterator[str]:
    for start in range(0, size, piece):
        yield f"bytes={start}-{min(start + piece, size) - 1}"


def main() -> None:
    endpoint, bucket, threads, piece, *keys = sys.argv[1:]
    config = botocore.config.Config(max_pool_connections=int(threads), s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", config=config)
    size = client.head_object(Bucket=bucket, Key=keys[0])["ContentLength"]
    wanted = (
        [{"Key": keys[0], "Range": part} for part in _ranges(size, int(piece))]
        if int(piece)
        else [{"Key": key} for key in keys]
    )
    todo, lock, got = iter(wanted), threading.Lock(), [0]

    def work() -> None:
        while True:
            with lock:
                each = next(todo, None)
            if each is None:
                return
            body = client.get_object(Bucket=bucket, **each)["Body"].read()
            with lock:
                got[0] += len(body)

    workers = [threading.Thread(target=work) for _ in range(int(threads))]
    start = time.monotonic_ns()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"ns": time.monotonic_ns() - start, "ops": len(wanted), "bytes": got[0]}))


if __name__ == "__main__":
    main()
