"""Times as people type them: a date, a date with a time, or how long ago."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Any

import click

_AGO = re.compile(r"(\d{1,9})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


class _WhenType(click.ParamType[Any]):
    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Nanoseconds since the epoch. A time without a zone is local."""
        if isinstance(value, int):
            return value
        ago = _AGO.fullmatch(value.strip())
        if ago is not None:
            return time.time_ns() - int(ago[1]) * _SECONDS[ago[2]] * 1_000_000_000
        try:
            return int(datetime.fromisoformat(value.strip()).timestamp()) * 1_000_000_000
        except (ValueError, OverflowError, OSError):
            self.fail(
                f"'{value}' is no time; 2026-01-31, 2026-01-31T12:00 or 30d (days ago; also s, m, h, w)", param, ctx
            )


WHEN = _WhenType()
