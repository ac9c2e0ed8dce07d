"""A state directory, and specifications of mounts in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from vfs.config.settings import Settings, default_settings
from vfs.control.registry import Registry
from vfs.control.spec import MountSpec, View, new_id

MakeSpec = Callable[..., MountSpec]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return default_settings(
        store=f"file://{tmp_path}/store", state_dir=str(tmp_path / "state"), cache_dir=str(tmp_path / "cache")
    )


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings.state_dir)


@pytest.fixture
def make_spec(settings: Settings, tmp_path: Path) -> MakeSpec:
    """`make_spec(kind="all", mountpoint=…)`: a spec that fits together unless told otherwise."""

    def make(**fields: object) -> MountSpec:
        base = MountSpec(
            id=new_id(),
            mountpoint=str(tmp_path / "mnt"),
            kind="rev",
            settings=settings,
            views=(View("", "r", "ab" * 32),),
            title="r@main",
        )
        return replace(base, **fields)

    return make
