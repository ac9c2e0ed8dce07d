"""Compiles the shim between pyfuse3 and libfuse when the package is built or installed.

Without a compiler or the headers of libfuse3 the package is built all the same: the daemon runs without the
shim, and `vfs status` says what is lost.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("daemon", "vfsd", "shim.c")
TARGET = Path("daemon", "vfsd", "_shim.so")
FLAGS = ("-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-fvisibility=hidden")


class ShimHook(BuildHookInterface[Any]):
    """Adds the compiled shim to a wheel, which is then for this platform only."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; say why where that is impossible."""
        if self.target_name != "wheel":
            return
        reason = compile_shim(Path(self.root))
        if reason:
            print(f"vfs: built without its shim, mounts will be slower: {reason}", file=sys.stderr)
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"][str(Path(self.root) / TARGET)] = "vfsd/_shim.so"


def compile_shim(root: Path) -> str:
    """Compile the shim in the checkout `root`; the reason when it could not be, else an empty string."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or shutil.which("pkg-config") is None:
        return "no C compiler or no pkg-config"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True, check=False)
    if flags.returncode:
        return "the headers of libfuse3 are not installed"
    command = [compiler, *FLAGS, str(root / SOURCE), "-o", str(root / TARGET), *flags.stdout.split(), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"the compiler failed: {done.stderr.strip()[-500:]}" if done.returncode else ""
