"""PostgreSQL keeps its cluster in a writable mount: made, loaded, killed, recovered, checked."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(900)]

Shell = Callable[..., str]
SECONDS = int(os.environ.get("STRESS_SECONDS", 20))


def programs() -> Path | None:
    """The directory of PostgreSQL's own programs, the newest where there are several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def missing() -> str:
    """Why it cannot run here, or nothing."""
    if programs() is None or shutil.which("pgbench") is None:
        return "PostgreSQL (postgresql, pgbench) is not installed"
    if not [user for user in pwd.getpwall() if user.pw_name == "postgres"]:
        return "there is no user postgres"
    return ""


@pytest.mark.skipif(bool(missing()), reason=missing() or "installed")
def test_a_cluster_is_made_loaded_killed_and_recovered(
    public_dir: Path, place: Place, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The user postgres has to reach the mount, which it cannot below a directory of root alone.
    place.mount = public_dir / "mount"
    monkeypatch.setenv("VFS_STATE_DIR", str(public_dir / "state"))
    place.begin(lambda top: (top / "kept").write_bytes(b"kept"))
    cluster, sockets = place.mount / "cluster", public_dir / "sockets"
    for directory in (cluster, sockets):
        directory.mkdir(mode=0o700)
        shutil.chown(directory, "postgres", "postgres")

    def as_postgres(command: str) -> str:
        words = f"setpriv --reuid postgres --regid postgres --clear-groups env PATH={programs()}:$PATH {command}"
        return shell(words, cwd=public_dir, timeout=SECONDS + 200)

    start = f"pg_ctl -w -D {cluster} -l {sockets}/log -o '-k {sockets} -c listen_addresses=' start"
    as_postgres(f"initdb --data-checksums -D {cluster}")
    as_postgres(start)
    try:
        as_postgres(f"pgbench -q -i -s 3 -h {sockets} postgres")
        as_postgres(f"pgbench -c 4 -T {SECONDS} -h {sockets} postgres")
        as_postgres(f"pg_ctl -w -D {cluster} -m immediate stop")
        as_postgres(start)
        sums = "select (select sum(abalance) from pgbench_accounts) - (select sum(delta) from pgbench_history)"
        assert as_postgres(f"psql -h {sockets} -At -c '{sums}' postgres").strip() == "0"
        as_postgres(f"pg_amcheck -h {sockets} --install-missing --heapallindexed postgres")
    finally:
        as_postgres(f"pg_ctl -w -D {cluster} -m fast stop")
    as_postgres(f"pg_checksums --check -D {cluster}")
    fresh = place.fresh()
    shell(f"diff -r --no-dereference {cluster} {fresh}/cluster", cwd=public_dir)
