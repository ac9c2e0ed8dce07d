"""Who may import whom: the contracts of pyproject.toml, and that they cover what they should."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_contract_is_kept() -> None:
    done = lint_imports(ROOT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert "0 broken" in done.stdout


def test_every_part_of_the_library_has_a_layer() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = {name for line in settings["contracts"][0]["layers"] for name in line.split(" | ")}
    parts = {path.parent.name for path in (ROOT / "vfs").glob("*/__init__.py")} | {"errors"}
    assert layers == parts


def test_an_import_upwards_is_found(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "upper.py").write_text("")
    (package / "lower.py").write_text("import pkg.upper\n")
    (tmp_path / "rules.toml").write_text(
        '[tool.importlinter]\nroot_packages = ["pkg"]\n'
        '[[tool.importlinter.contracts]]\nname = "x"\ntype = "layers"\ncontainers = ["pkg"]\n'
        'layers = ["upper", "lower"]\n'
    )
    done = lint_imports(tmp_path, "--config", "rules.toml")
    assert done.returncode == 1
    assert "pkg.lower is not allowed to import pkg.upper" in done.stdout
