"""Where things lie by default: the XDG directories of a user, the FHS ones of root."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping

import msgspec

SYSTEM_CONFIG = "/etc/vfs/config.toml"


class Places(msgspec.Struct, frozen=True):
    """Absolute default paths; nothing here exists until somebody makes it."""

    user_config: str
    store: str
    state_dir: str
    cache_dir: str


def places(environ: Mapping[str, str], uid: int) -> Places:
    """The defaults of the user `uid`. XDG_* variables count only when absolute, as their specification has it."""
    home = environ.get("HOME") or _home(uid)

    def base(variable: str, default: str) -> str:
        value = environ.get(variable, "")
        return os.path.join(value if os.path.isabs(value) else os.path.join(home, default), "vfs")

    return Places(
        user_config=os.path.join(base("XDG_CONFIG_HOME", ".config"), "config.toml"),
        store=os.path.join(base("XDG_DATA_HOME", ".local/share"), "store"),
        state_dir="/var/lib/vfs" if uid == 0 else base("XDG_STATE_HOME", ".local/state"),
        cache_dir="/var/cache/vfs" if uid == 0 else base("XDG_CACHE_HOME", ".cache"),
    )


def user_at_host(uid: int) -> str:
    """`user@host` of the running process, the default author of commits."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return f"{name}@{os.uname().nodename}"


def _home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"
