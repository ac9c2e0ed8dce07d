"""Which container image a process says it is in."""

from __future__ import annotations

from pathlib import Path

import pytest

from vfs.errors import UsageError
from vfs.run.image import image_of

PODMAN = """engine="podman-4.3.1"
name="sad_bell"
id="55"
image="docker.io/library/debian:12"
imageid="abc123"
rootless=1
"""


def test_given_then_variable_then_podman_then_apptainer(tmp_path: Path) -> None:
    file = tmp_path / "containerenv"
    file.write_text(PODMAN)
    variables = {"VFS_IMAGE": "r/b:1", "APPTAINER_CONTAINER": "/images/x.sif"}
    assert image_of("r/a@sha256:00", environment=variables, containerenv=str(file)) == "r/a@sha256:00"
    assert image_of(environment=variables, containerenv=str(file)) == "r/b:1"
    del variables["VFS_IMAGE"]
    found = image_of(environment=variables, containerenv=str(file))
    assert found == "docker.io/library/debian:12@sha256:abc123"
    file.write_text("")
    assert image_of(environment=variables, containerenv=str(file)) == "/images/x.sif"
    assert image_of(environment={}, containerenv=str(tmp_path / "none")) == ""


@pytest.mark.parametrize("name", ["a b", "a\nb", "\x1b[1m", "x" * 513])
def test_what_is_no_name_is_refused_when_given_and_passed_over_when_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--image"):
        image_of(name, environment={})
    with pytest.raises(UsageError, match="VFS_IMAGE"):
        image_of(environment={"VFS_IMAGE": name})
    assert image_of(environment={"SINGULARITY_CONTAINER": name}, containerenv=str(tmp_path / "none")) == ""


def test_damaged_file_and_secret(tmp_path: Path) -> None:
    file = tmp_path / "containerenv"
    file.write_bytes(b'image="open\nimageid=\nnothing\n\xff\xfe=\n')
    assert image_of(environment={}, containerenv=str(file)) == ""
    assert image_of("https://anna:geheim@r/a", environment={}) == "https://anna:***@r/a"
