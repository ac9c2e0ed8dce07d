"""What every module keeps to: its length, its docstring, its name, no silenced checks, one tree of errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted([*(ROOT / "vfs").rglob("*.py"), *(ROOT / "daemon" / "vfsd").rglob("*.py")])
LINES = 350
FUNCTION_LINES = 60

SILENCED = re.compile(r"#\s*type:\s*ignore|#\s*noqa|#\s*pragma|\bTODO\b|\bFIXME\b|\bXXX\b|NotImplementedError")
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
WORDS = re.compile(r"\b(snapshots?|blob stores?|backends?|checkouts?)\b", re.IGNORECASE)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(params=MODULES, ids=name_of)
def module(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_module_keeps_the_rules(module: Path) -> None:
    text = module.read_text()
    tree = ast.parse(text)
    complaints = []
    if len(text.splitlines()) > LINES:
        complaints.append(f"over {LINES} lines")
    if not ast.get_docstring(tree):
        complaints.append("no docstring that says what it owns")
    if module.stem in VAGUE_NAMES:
        complaints.append("a name that says nothing")
    if len(tree.body) > 2 and "from __future__ import annotations" not in text:
        complaints.append("annotations are not postponed")
    for number, line in enumerate(text.splitlines(), 1):
        if SILENCED.search(line):
            complaints.append(f"line {number}: unfinished, or a check switched off: {line.strip()}")
        if WORDS.search(line):
            complaints.append(f"line {number}: a word the project does not use: {line.strip()}")
    for function in functions(tree):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > FUNCTION_LINES:
            complaints.append(f"{function.name}: {length} lines")
    assert not complaints


def test_errors_are_defined_in_one_module() -> None:
    owner = ast.parse((ROOT / "vfs" / "errors.py").read_text())
    known = {node.name for node in ast.walk(owner) if isinstance(node, ast.ClassDef)}
    strays = [
        f"{name_of(path)}: {node.name}"
        for path in MODULES
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id in known for base in node.bases)
    ]
    assert not strays


def test_no_test_is_switched_off_without_a_reason() -> None:
    here = Path(__file__).resolve()
    bare = re.compile(r"mark\.(skip|xfail)\b(?!\()|mark\.(skip|xfail)\(\)|type:\s*ignore|#\s*noqa")
    found = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if path != here
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if bare.search(line)
    ]
    assert not found


def test_wire_codes_and_exit_codes_are_the_documented_ones() -> None:
    from vfs import errors

    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.VfsError)]
    wires = [cls.wire for cls in classes]
    assert len(set(wires)) == len(wires)
    assert {cls.exit_code for cls in classes} <= {1, 2, 3, 4, 5, 6}
    assert all(isinstance(errors.from_wire(cls.wire, "x"), cls) for cls in classes)
