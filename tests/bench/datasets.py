"""The directories that are read: what each holds, made once and kept in the working directory."""

from __future__ import annotations

import compileall
import json
import random
import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.material import Material
from bench.stopped import run


@dataclass(frozen=True)
class Scale:
    """How much data there is. `quick` is a tenth; bars are about the full size."""

    small: int = 10_000
    many: int = 100_000
    large: int = 2 << 30
    middle: int = 1 << 30
    million: int = 1_000_000
    random_reads: int = 2_000
    repeats: int = 5


QUICK = Scale(
    small=2_000, many=10_000, large=256 << 20, middle=128 << 20, million=100_000, random_reads=1_000, repeats=3
)


class Datasets:
    """Makes data sets by name below `place` and remembers which are whole."""

    def __init__(self, place: Path, scale: Scale) -> None:
        self.place = place
        self.scale = scale
        self._makers: dict[str, Callable[[Path], None]] = {
            "small": self._small,
            "many": self._many,
            "large": self._large,
            "middle": self._middle,
            "source": self._source,
        }

    def path(self, name: str) -> Path:
        """The directory of a data set, made if it is not there."""
        there, stamp = self.place / name, self.place / f"{name}.json"
        wanted = json.dumps(vars(self.scale))
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(there, ignore_errors=True)
            there.mkdir(parents=True)
            self._makers[name](there)
            stamp.write_text(wanted)
        return there

    def names(self, name: str, order: str) -> Path:
        """A file that lists the files of a data set, in `name` order or `shuffled`."""
        there, listing = self.path(name), self.place / f"{name}.{order}"
        found = sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_file())
        if order == "shuffled":
            random.Random(17).shuffle(found)
        listing.write_text("".join(f"{path}\n" for path in found))
        return listing

    def _small(self, there: Path) -> None:
        """Images as a training set has them: classes of 500 files, 10 to 20 KB each."""
        self._spread(there, self.scale.small, each=500, sizes=(10 << 10, 20 << 10), form="class{:03}/image_{:05}.bin")

    def _many(self, there: Path) -> None:
        """Records: directories of 500 small files."""
        self._spread(there, self.scale.many, each=500, sizes=(100, 3000), form="part{:03}/record-{:06}.rec")

    def _spread(self, there: Path, count: int, *, each: int, sizes: tuple[int, int], form: str) -> None:
        material, lengths = Material(count), random.Random(count)
        for number in range(count):
            path = there / form.format(number // each, number)
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(material.take(lengths.randint(*sizes)))

    def _large(self, there: Path) -> None:
        _write(there / "large.bin", self.scale.large, seed=3)

    def _middle(self, there: Path) -> None:
        _write(there / "middle.bin", self.scale.middle, seed=4)

    def _source(self, there: Path) -> None:
        """A Python library of thousands of files, compiled, in a git repository.

        It is a copy of the place where git made its index, so that no place matches the index and git reads all
        files everywhere: else it would read none on ext4 and all in every mount.
        """
        made = there.with_name("source.made")
        shutil.rmtree(made, ignore_errors=True)
        # Programs of tens of megabytes in one file are no source tree.
        ignored = shutil.ignore_patterns("ruff*", "hadolint*", "mypy*", "*stubs*", "[0-9a-f]*__mypyc*")
        shutil.copytree(sysconfig.get_path("purelib"), made / "packages", symlinks=True, ignore=ignored)
        compileall.compile_dir(made / "packages", quiet=2)
        git = ["git", "-C", str(made), "-c", "user.name=bench", "-c", "user.email=bench@example.org"]
        run([*git, "init", "--quiet"])
        run([*git, "add", "--force", "."])
        run([*git, "commit", "--quiet", "--message", "as installed"])
        shutil.rmtree(there)
        shutil.copytree(made, there, symlinks=True)
        shutil.rmtree(made)


def _write(path: Path, size: int, *, seed: int) -> None:
    material = Material(seed)
    with open(path, "wb") as file:
        for start in range(0, size, 8 << 20):
            file.write(material.take(min(8 << 20, size - start)))
