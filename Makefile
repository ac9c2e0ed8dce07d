# `make demo` and `make test` do all their own set-up; both can be repeated.
.PHONY: help setup demo test stress lint clean bench bench-peers

help:
	@echo 'make demo    see it work: commit, mount, run, lineage, on real files (sets itself up)'
	@echo 'make test    every check and test (sets itself up)'
	@echo 'make stress  long suites that use a writable mount as a file system (root, half an hour; docs/TESTING.md)'
	@echo 'make lint    the checks without the tests'
	@echo 'make bench   measure against ext4, S3 clients and peers (root, 25 GB of disk, an hour; BENCH=--quick: less)'
	@echo 'make setup   system packages and .venv only'
	@echo 'make clean   remove .venv and everything made here'

setup:
	@packaging/setup.sh test

demo:
	@packaging/setup.sh demo
	@packaging/demo.sh

test:
	@packaging/setup.sh test
	@packaging/check.sh

stress:
	@packaging/setup.sh test
	@command -v stress-ng >/dev/null && command -v fio >/dev/null && command -v pgbench >/dev/null || \
	    apt-get install -y -q --no-install-recommends stress-ng fio postgresql || echo 'stress: what is missing is skipped'
	@STRESS_SEED=$${STRESS_SEED:-$$$$} STRESS_OPERATIONS=$${STRESS_OPERATIONS:-20000} STRESS_TURNS=$${STRESS_TURNS:-10} \
	    .venv/bin/python -m pytest -q tests/stress/test_*.py tests/stress/long_*.py
	@STRESS_MOUNTS=$${STRESS_MOUNTS:-1000} .venv/bin/python -m pytest -q --timeout 3600 \
	    tests/e2e/test_e2e_fast_paths.py -k come_and_go

lint:
	@packaging/setup.sh test
	@packaging/check.sh --no-tests

bench:
	@packaging/setup.sh test
	@cd tests && ../.venv/bin/python -m bench --out ../docs $(BENCH)

bench-peers:
	apt-get install -y --no-install-recommends rclone s3fs restic borgbackup python3-llfuse squashfuse squashfs-tools \
	    fuse-overlayfs radosgw ceph-mon ceph-osd ceph-base

clean:
	rm -rf .venv .demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
