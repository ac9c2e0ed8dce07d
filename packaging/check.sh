#!/bin/sh
# Every check of the project, cheapest first, the tests last. `make lint` runs it with --no-tests.
set -eu

cd "$(dirname "$0")/.."
PATH=$PWD/.venv/bin:$PATH
say() { printf 'check: %s\n' "$*"; }

say "ruff"
ruff check --quiet .
say "mypy"
mypy --no-error-summary
say "import-linter"
lint-imports --no-cache | tail -n +9
say "shellcheck"
shellcheck packaging/*.sh .ci/run
say "systemd units"
packaging/lint-units.sh
say "Dockerfile"
hadolint packaging/Dockerfile
[ "${1:-}" = --no-tests ] && exit 0
say "pytest"
exec python -m pytest -q
