"""The stores that the contract is run over."""

from __future__ import annotations

from support.radosgw import radosgw

__all__ = ["radosgw"]
