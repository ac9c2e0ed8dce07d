"""A training loop's way of reading: 4 worker processes, each item shuffled to one of them. Prints nanoseconds.

Run as a program: `loader.py ROOT LIST`. The workers are up before the clock starts.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time

WORKERS = 4
BATCH = 32


def _work(root: str, batches: list[list[str]], ready: object, go: object, done: object) -> None:
    ready.release()
    go.wait()
    total = 0
    for batch in batches:
        for name in batch:
            with open(os.path.join(root, name), "rb", buffering=0) as file:
                total += len(file.read())
    done.put(total)


def main() -> None:
    root, listing = sys.argv[1:3]
    with open(listing, encoding="utf-8") as file:
        names = file.read().splitlines()
    batches = [names[start : start + BATCH] for start in range(0, len(names), BATCH)]
    ready, go, done = multiprocessing.Semaphore(0), multiprocessing.Event(), multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=_work, args=(root, batches[number::WORKERS], ready, go, done), daemon=True)
        for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    start = time.monotonic_ns()
    go.set()
    total = sum(done.get(timeout=600) for _ in workers)
    took = time.monotonic_ns() - start
    print(json.dumps({"ns": took, "ops": len(names), "bytes": total}))


if __name__ == "__main__":
    main()
