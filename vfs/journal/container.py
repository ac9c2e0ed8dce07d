"""Which container a process runs in, from its control group."""

from __future__ import annotations

import re

# docker-<id>.scope, /docker/<id>, libpod-<id>.scope, cri-containerd-<id>.scope, /kubepods/…/<id>
_RUNTIME = re.compile(rb"(?:(docker|libpod|cri-containerd|crio|containerd)[-/])?([0-9a-f]{64})(?:\.scope)?(?:/|$)")
_NAMED = re.compile(rb"/(lxc\.payload\.|lxc/|machine\.slice/machine-)([^/]{1,128})")


def container_of(cgroup: bytes) -> str:
    """`runtime:id` (12 digits) or `runtime:name` found in the text of /proc/<pid>/cgroup, "" for none."""
    for line in cgroup.split(b"\n"):
        path = line.rpartition(b":")[2]
        if match := _RUNTIME.search(path):
            return f"{(match[1] or b'container').decode()}:{match[2][:12].decode()}"
        if match := _NAMED.search(path):
            kind = "lxc" if match[1].startswith(b"lxc") else "machine"
            return f"{kind}:{match[2].removesuffix(b'.scope').decode('utf-8', 'backslashreplace')}"
    return ""
