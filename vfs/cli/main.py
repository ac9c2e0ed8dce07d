"""Entry point of the `vfs` command. Imports nothing at the top, so that Ctrl-C during start shows no traceback."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run `vfs` with the words of this process and leave with its exit code."""
    try:
        from vfs.cli.frame import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
