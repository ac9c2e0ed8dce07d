"""The pages speak of what there is: every command, every promise with a test that quotes it."""

from __future__ import annotations

import re
from pathlib import Path

from vfs.cli.catalogue import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def test_the_guide_has_every_command() -> None:
    guide = (ROOT / "docs" / "GUIDE.md").read_text()
    assert [name for name in COMMANDS if not re.search(rf"`vfs {name}\b", guide)] == []


def test_each_promise_names_tests_that_exist_and_quote_it() -> None:
    page = (ROOT / "docs" / "SEMANTICS.md").read_text()
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    promises = [section for section in sections if re.match(r"\d+\. ", section)]
    assert [int(section.split(".")[0]) for section in promises] == list(range(1, 9))
    for section in promises:
        title = section.splitlines()[0]
        quoted = re.search(r"^> (.+?)\n\n", section, flags=re.MULTILINE | re.DOTALL)
        assert quoted, f"{title}: no sentence in words that a test can quote"
        tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", section)
        assert tests, f"{title}: names no test"
        for path, name in tests:
            text = (ROOT / path).read_text()
            assert not name or f"def {name}(" in text, f"{title}: {path} has no {name}"
        sentence = " ".join(quoted[1].replace("\n> ", " ").split())
        quoting = [path for path, _ in tests if sentence in " ".join((ROOT / path).read_text().split())]
        assert quoting, f"{title}: no named test quotes '{sentence}'"


def test_every_module_that_takes_a_lock_is_listed() -> None:
    page = (ROOT / "docs" / "CONCURRENCY.md").read_text()
    taking = re.compile(r"(?<!def )\b(threading\.)?(R?Lock|Condition)\(\)|FileLock\(|fcntl\.flock\(|BEGIN IMMEDIATE")
    modules = [
        str(path.relative_to(ROOT))
        for place in ("vfs", "daemon")
        for path in sorted((ROOT / place).rglob("*.py"))
        if taking.search(path.read_text())
    ]
    assert [name for name in modules if name not in page] == []
