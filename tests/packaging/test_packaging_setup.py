"""Set-up says exactly what is missing where it may not install it, and does nothing where nothing is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETUP = ROOT / "packaging" / "setup.sh"
# What the script itself calls; whatever else it looks for is then missing.
PLAIN = ("sh", "cat", "cksum", "dirname", "id", "env", "find", "mkdir", "rm", "mv")


@pytest.fixture
def bare(public_dir: Path) -> Path:
    """A directory of programs with nothing in it that vfs needs."""
    place = public_dir / "bin"
    place.mkdir()
    for name in PLAIN:
        found = shutil.which(name)
        assert found, name
        (place / name).symlink_to(found)
    return place


def set_up(path: Path, *before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*before, "/bin/sh", str(SETUP), "demo"],
        env={"PATH": str(path), "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_apt_one_line_names_the_packages(bare: Path) -> None:
    done = set_up(bare)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert re.match(r"setup: install what these Debian packages hold, then repeat: fuse3 gcc", line)
    assert "libfuse3-dev" in line


@pytest.mark.root
def test_an_ordinary_user_without_sudo_is_told_what_to_run(bare: Path) -> None:
    shutil.copy("/bin/true", bare / "apt-get")
    setpriv = shutil.which("setpriv")
    assert setpriv
    probe = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run([*probe, "/bin/cat", str(SETUP)], capture_output=True, check=False, timeout=20).returncode:
        pytest.skip(f"an ordinary user cannot read {SETUP}")
    done = set_up(bare, *probe)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "not root and no sudo" in line
    command = line.split(": ", 2)[2]
    assert re.fullmatch(r"apt-get update && apt-get install -y( [a-z0-9.+-]+)+", command)


def test_a_level_that_does_not_exist_is_refused() -> None:
    done = subprocess.run([str(SETUP), "everything"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "setup: unknown level 'everything': demo or test\n"


def test_the_unit_and_the_dockerfile_name_the_command_that_is_packaged() -> None:
    unit = (ROOT / "systemd" / "vfs-mount@.service").read_text()
    assert "ExecStart=/usr/bin/vfs mount --foreground" in unit
    assert not re.search(r"^(ProtectSystem|PrivateTmp|ProtectHome|PrivateMounts)=", unit, re.MULTILINE)
    dockerfile = (ROOT / "packaging" / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE)
    assert all((ROOT / word).exists() for line in copied for word in line.split())


def test_the_units_are_verified_and_a_wrong_one_is_noticed(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for place in ("packaging", "systemd", ".venv/bin"):
        (tmp_path / place).mkdir(parents=True)
    shutil.copy("/bin/true", tmp_path / ".venv" / "bin" / "vfs")
    shutil.copy(ROOT / "packaging" / "lint-units.sh", tmp_path / "packaging")
    unit = tmp_path / "systemd" / "vfs-mount@.service"
    shutil.copy(ROOT / "systemd" / unit.name, unit)
    check = [str(tmp_path / "packaging" / "lint-units.sh")]
    right = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert right.returncode == 0, right.stderr
    unit.write_text(unit.read_text().replace("RestartSec=", "RestartSecs="))
    wrong = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode == 1
    assert "RestartSecs" in wrong.stderr


def test_the_wheel_holds_both_packages_and_no_folder_of_the_checkout(tmp_path: Path) -> None:
    import sys
    import zipfile

    if subprocess.run([sys.executable, "-c", "import hatchling.build"], check=False, timeout=30).returncode:
        pytest.skip("hatchling is not installed in this environment")
    program = f"import hatchling.build, os; os.chdir({str(ROOT)!r}); hatchling.build.build_wheel({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, env={**os.environ})
    (wheel,) = tmp_path.glob("*.whl")
    top = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {"vfs", "vfsd"} <= top
    assert not top & {"tests", "docs", "packaging", "systemd", "daemon"}
