"""docs/CONFIG.md says what the code does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from vfs.config.settings import default_settings, load
from vfs.config.sizes import format_size, parse_size
from vfs.config.values import variable_of

PAGE = (Path(__file__).parents[3] / "docs" / "CONFIG.md").read_text()
ROWS = re.findall(r"^\| `([a-z0-9_.]+)` \| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)


def test_every_key_has_a_row_with_its_variable(tmp_path: Path) -> None:
    keys = sorted(load({}, {"HOME": str(tmp_path)}, system_config=str(tmp_path / "none")).origins)
    assert [row[0] for row in ROWS] == keys
    assert [row[1] for row in ROWS] == [variable_of(key) for key in keys]


def test_the_defaults_are_those_of_the_code() -> None:
    settings = default_settings()
    defaults = {row[0]: row[3] for row in ROWS}
    for key in ("cache_limit", "memory"):
        shown = re.fullmatch(r"`(\w+)`", defaults[key])
        assert shown is not None
        assert parse_size(shown[1]) == getattr(settings, key), format_size(getattr(settings, key))
    assert defaults["timeout"] == f"`{settings.timeout:g}`"
    assert defaults["s3.anonymous"] == f"`{str(settings.s3.anonymous).lower()}`"


def test_the_example_is_a_configuration(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    tomllib.loads(example[1])
    (tmp_path / "config.toml").write_text(example[1])
    loaded = load({}, {"HOME": str(tmp_path)}, system_config=str(tmp_path / "config.toml"))
    assert (loaded.settings.store, loaded.settings.cache_limit) == ("s3://team-data/vfs", 200 << 30)
    assert loaded.settings.s3.endpoint == "https://s3.example.org"
