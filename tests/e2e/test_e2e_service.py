"""The command line of the systemd unit, run the way systemd runs it: readiness, SIGTERM, a clean end."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mount

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "vfs-mount@.service"


def command_of_the_unit(settings: dict[str, str]) -> list[str]:
    """ExecStart= with the settings put in as systemd does: `$WORD` splits into words, `${WORD}` does not."""
    line = re.search(r"^ExecStart=(.+)$", UNIT.read_text(), re.MULTILINE)
    assert line
    words: list[str] = []
    for word in shlex.split(line[1]):
        if re.fullmatch(r"\$[A-Z]+", word):
            words += settings[word[1:]].split()
        else:
            words.append(re.sub(r"\$\{([A-Z]+)\}", lambda match: settings[match[1]], word))
    assert words[0] == "/usr/bin/vfs"
    return [sys.executable, "-c", "from vfs.cli.main import main; main()", *words[1:]]


def test_the_unit_is_ready_when_the_mount_answers_and_ends_on_sigterm(
    isolated: Path, mountpoint: Path, vfs: Callable[..., Any]
) -> None:
    vfs("init")
    vfs("repo", "create", "data")
    (isolated / "file").write_text("served\n")
    vfs("put", "data", isolated / "file")
    settings = {"REVISION": "data@main", "MOUNTPOINT": str(mountpoint), "OPTIONS": "--private"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(isolated / "notify"))
        told.settimeout(30)
        env = {**os.environ, "NOTIFY_SOCKET": str(isolated / "notify")}
        service = subprocess.Popen(command_of_the_unit(settings), env=env, stdin=subprocess.DEVNULL)
        try:
            while b"READY=1" not in told.recv(4096):
                pass
            assert (mountpoint / "file").read_text() == "served\n"
            service.send_signal(signal.SIGTERM)
            assert service.wait(timeout=25) == 0
        finally:
            service.kill()
            service.wait(timeout=10)
    assert not mountpoint.is_mount()
    assert list(mountpoint.iterdir()) == []
