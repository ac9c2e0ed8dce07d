"""`python -m vfsd`."""

from __future__ import annotations

from vfsd.main import main

main()
