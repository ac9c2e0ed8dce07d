"""The mount of revisions under names that a run or a shell has for as long as it lasts."""

from __future__ import annotations

import os
from contextlib import ExitStack

from vfs.control.launch import start
from vfs.control.spec import MountSpec, View, new_id
from vfs.repo.library import Library
from vfs.run.leaving import unmount
from vfs.store.marked import marker_of


def mount_views(
    library: Library,
    point: str,
    views: tuple[View, ...],
    until: ExitStack,
    *,
    title: str,
    session: str,
    overlaid: bool = False,
) -> None:
    """Mount `views` on `point` in the name of this process, until `until` ends; MountError, DaemonError.

    `overlaid`: only an overlay over it is shown to anybody.
    """
    spec = MountSpec(
        id=new_id(),
        mountpoint=point,
        kind="views",
        settings=library.settings,
        views=views,
        title=title,
        overlaid=overlaid,
        session=session,
        owner_pid=os.getpid(),
        marker=marker_of(library.store),
    )
    start(spec)
    until.callback(unmount, point, library.settings.state_dir)
