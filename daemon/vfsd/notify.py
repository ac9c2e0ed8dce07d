"""Telling systemd how the daemon is, when it was started by a unit of Type=notify."""

from __future__ import annotations

import os
import socket


def notify(message: str) -> None:
    """Send `message` (`READY=1`, `STOPPING=1`, `STATUS=…`) to the socket in NOTIFY_SOCKET; nothing without one."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@"):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        try:
            out.sendto(message.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError:
            return
