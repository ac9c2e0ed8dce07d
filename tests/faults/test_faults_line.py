"""A mount over a line that breaks: right bytes in time, or an error in time that names the cause."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
from support import faultproxy as f
from support.faultproxy import Exchange, FaultProxy
from support.hosts import AT_MOST, TIMEOUT, Host, MakeHost, Reading, troubles, wait_until

pytestmark = pytest.mark.mount

OUTAGE = 20.0


def of_packs(fault: f.Fault) -> f.Fault:
    """The fault for what is read from packs; all else passes."""

    def rule(exchange: Exchange) -> None:
        (fault if "/packs/" in exchange.line else f.passed)(exchange)

    return rule


def test_an_outage_of_20_seconds_is_sat_out_by_who_has_the_time(
    host: Host, new_host: MakeHost, files: dict[str, bytes], line: FaultProxy
) -> None:
    patient, throttled = new_host(VFS_TIMEOUT="60"), new_host(VFS_TIMEOUT="3")
    points = [one.mount("data") for one in (patient, host)]
    assert [sorted(os.listdir(point)) for point in points] == [sorted(files)] * 2
    line.rule = of_packs(f.answers(503, "ServiceUnavailable"))
    began = time.monotonic()
    waiting, given_up = (Reading(point / "f03") for point in points)
    given_up.ended(AT_MOST)
    assert (given_up.errno, given_up.data) == (errno.EIO, b"")
    assert given_up.seconds > TIMEOUT / 2
    assert "503 ServiceUnavailable" in troubles(host, points[1])
    wait_until(lambda: time.monotonic() - began > OUTAGE, OUTAGE + 5)
    line.rule = f.passed
    assert waiting.ended(20).data == files["f03"]
    # EAGAIN would be no error to a program in Python, but the end of the file.
    other = throttled.mount("data")
    assert len(os.listdir(other)) == len(files)
    line.rule = of_packs(f.answers(503, "SlowDown"))
    assert Reading(other / "f05").ended(AT_MOST).errno == errno.EIO
    assert "503 SlowDown" in troubles(throttled, other)
    line.rule = f.passed
    assert (other / "f05").read_bytes() == files["f05"]


def in_state_d() -> list[str]:
    """Processes that cannot even be killed, by pid and name, of those that have to do with a mount."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
            waits = (stat.parent / "wchan").read_text()
        except OSError:
            continue
        name, _, more = rest.rpartition(") ")
        if more.startswith("D") and "fuse" in waits:
            found.append(f"{pid} {name} {waits}")
    return found


def test_a_line_that_stalls_for_ever_ends_at_the_deadline(
    host: Host, files: dict[str, bytes], line: FaultProxy
) -> None:
    point = host.mount("data")
    assert len(os.listdir(point)) == len(files)
    line.rule = of_packs(f.silent)
    reading = Reading(point / "f00").ended(AT_MOST + TIMEOUT)
    assert reading.errno == errno.EIO
    assert "no answer in time" in troubles(host, point)
    # Unmounted while a program waits for the store.
    command = ["cat", str(point / "f07")]
    cat = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.3)
    started = time.monotonic()
    host("umount", "--lazy", point, timeout=15)
    assert not point.is_mount()
    assert time.monotonic() - started < 10
    try:
        assert cat.wait(AT_MOST + TIMEOUT) != 0
    finally:
        cat.kill()
        cat.wait(10)
        if cat.stderr is not None:
            cat.stderr.close()
    wait_until(lambda: json.loads(host("mounts", "--json").stdout) == [], 15)
    assert in_state_d() == []


def test_offline_what_is_cached_is_read_and_the_rest_fails_at_once(
    host: Host, new_host: MakeHost, files: dict[str, bytes], line: FaultProxy
) -> None:
    fresh = new_host()
    fresh("prefetch", "data:f01")
    point = fresh.mount("data")
    assert len(os.listdir(point)) == len(files)
    line.rule = f.resets
    assert (point / "f01").read_bytes() == files["f01"]
    first = Reading(point / "f10").ended(AT_MOST)
    assert first.errno == errno.EIO
    second = Reading(point / "f08").ended(AT_MOST)
    assert (second.errno, second.seconds < 1.5) == (errno.EIO, True), second.seconds
    assert (point / "f01").read_bytes() == files["f01"]
    assert not (point / "absent").exists()
    assert "out of reach" in troubles(fresh, point)
    line.rule = f.passed
    wait_until(lambda: Reading(point / "f10").ended(AT_MOST).data == files["f10"], AT_MOST + 5)
    assert (point / "f08").read_bytes() == files["f08"]


@pytest.mark.parametrize("fault", [f.flips, f.truncates, f.half], ids=["flipped", "short", "cut"])
def test_bodies_that_are_damaged_on_the_way_are_never_shown(
    host: Host, files: dict[str, bytes], line: FaultProxy, fault: f.Fault
) -> None:
    point = host.mount("data")
    line.rule = of_packs(fault)
    names = [f"f{number:02d}" for number in (0, 4, 9)]
    for name in names:
        reading = Reading(point / name).ended(AT_MOST + TIMEOUT)
        # Neighbours of an intact chunk come in the same body: what is right may be shown.
        assert reading.errno == errno.EIO or reading.data == files[name]
        assert reading.errno != errno.ENOENT
    line.rule = f.passed
    time.sleep(1.5)
    for name in names:
        assert (point / name).read_bytes() == files[name]
    host("umount", point)
    again = host.mount("data")
    assert {name: (again / name).read_bytes() for name in files} == files


def test_a_mount_of_which_a_request_fails_names_it_and_leaves_nothing(
    host: Host, files: dict[str, bytes], line: FaultProxy
) -> None:
    point = host.directory / "mnt"
    point.mkdir()
    for number in range(20):
        line.clear()
        line.plan("", *[f.passed] * number, *[f.answers(403, "AccessDenied")] * 40)
        done = host("mount", "data", point, ok=False)
        if done.returncode == 0:
            break
        assert done.returncode == 3, done.stderr
        assert b"refused: 403 AccessDenied" in done.stderr
        assert not point.is_mount()
        assert json.loads(host("mounts", "--json").stdout) == []
    # The marker and the branch, the commit; the daemon asks when the mount is there.
    assert number >= 3
    # What was denied is denied to the program, too.
    reading = Reading(point / "f02").ended(AT_MOST)
    assert reading.errno == errno.EACCES
    line.clear()
    assert (point / "f02").read_bytes() == files["f02"]
    host("umount", point)
