"""What a program changed stays reachable when the kernel has dropped every name and inode that it can drop."""

from __future__ import annotations

from pathlib import Path

import pytest

from stress import manyfiles
from stress.listing import differences, listing
from stress.place import Place

pytestmark = [pytest.mark.mount, pytest.mark.root, pytest.mark.timeout(120)]


def test_changed_files_are_read_after_the_kernel_forgot_them(place: Place) -> None:
    place.begin(lambda top: manyfiles.populate(top, 5))
    for path in sorted(place.mount.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("ab") as file:
                file.write(b"more")
    shown = listing(place.mount)
    Path("/proc/sys/vm/drop_caches").write_text("3")
    assert differences(shown, listing(place.mount)) == []
