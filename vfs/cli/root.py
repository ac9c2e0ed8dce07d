"""The root command: global options, and the other commands by name."""

from __future__ import annotations

import click

from vfs import __version__
from vfs.cli.call import Call, pass_call
from vfs.cli.lazy import LazyGroup

# What a shell sets to ask for completions.
COMPLETE_VARIABLE = "_VFS_COMPLETE"
_EPILOG = """\b
Revisions:  REPO[@BRANCH|@TAG|@COMMIT][~N][:PATH]
            photos   photos@v1   photos@4be1   photos~2   photos:2024/a.jpg

Exit codes: 0 done, 1 not found or refused, 2 wrong arguments, 3 store, 4 conflict, 5 corrupt data, 6 mount daemon."""


@click.group(cls=LazyGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--store", metavar="URL", help="Store to use: file:///PATH or s3://BUCKET/PREFIX. Also VFS_STORE.")
@click.option("--state-dir", metavar="DIR", help="Directory for mounts, layers and the journal. Also VFS_STATE_DIR.")
@click.option("--cache-dir", metavar="DIR", help="Directory for what can be fetched again. Also VFS_CACHE_DIR.")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.version_option(__version__, "--version", message="vfs %(version)s")
@pass_call
def root(call: Call, store: str | None, state_dir: str | None, cache_dir: str | None, debug: bool) -> None:
    """Versioned data as plain directories: commit, mount, process with any program, ask where it came from.

    \b
    First steps:
      vfs init
      vfs repo create photos
      vfs put photos ~/Pictures/
      vfs mount photos /mnt/photos
    """
    given = {"store": store, "state_dir": state_dir, "cache_dir": cache_dir}
    call.overrides = {key: value for key, value in given.items() if value is not None}
    call.debug = debug
