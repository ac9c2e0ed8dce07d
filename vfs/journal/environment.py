"""Which environment variables are recorded: an allow-list, since the rest may hold secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from vfs.errors import Refused, UsageError
from vfs.journal.masking import looks_secret, masked_text

# What changes the result of a program and names no secret.
ALLOWED = frozenset(
    {
        "CONDA_DEFAULT_ENV",
        "CUDA_VISIBLE_DEVICES",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "MKL_NUM_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        # Which run of an orchestrator this one is part of: a name and a number, by which events are joined.
        "OPENLINEAGE_PARENT_ID",
        "PATH",
        "PYTHONHASHSEED",
        "PYTHONPATH",
        "R_LIBS",
        "SOURCE_DATE_EPOCH",
        "TZ",
        "VFS_INPUTS",
        "VFS_OUT",
        "VIRTUAL_ENV",
    }
)
_PREFIXES = ("LC_", "VFS_INPUT_", "SLURM_ARRAY_")
# Longer values are cut, so that a huge PATH does not fill the record.
_VALUE_MAX = 4096
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}\Z")
# Stricter than for options, which are named by the programs that read them: a variable can be called anything.
_REFUSED = re.compile(r"TOKEN|SECRET|PASS|PWD|KEY|CREDENTIAL|AUTH|COOKIE|BEARER|PRIVATE|SESSION")


def allowed(environment: Mapping[str, str], more: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
    """The variables of `environment` that may be recorded, sorted by name; `more`: names beside the allow-list.

    A name that looks secret is left out whatever list it is on, and what is secret within a value is masked.
    """
    names = ALLOWED.union(more)
    return tuple(
        (name, _plain(environment[name]))
        for name in sorted(environment)
        if (name in names or name.startswith(_PREFIXES)) and not looks_secret(name)
    )


def check_recorded(names: Iterable[str]) -> tuple[str, ...]:
    """`names` of variables to record beside the allow-list, each once.

    UsageError for what is no name of a variable, Refused for one that looks secret.
    """
    found = tuple(dict.fromkeys(names))
    for name in found:
        if _VARIABLE.match(name) is None:
            raise UsageError(f"variable '{name}': not a name; letters, digits and '_' make one")
        if _REFUSED.search(name.upper()) is not None or looks_secret(name):
            raise Refused(f"variable {name}: its name looks secret, and what is recorded travels with the commit")
    return found


def _plain(value: str) -> str:
    return masked_text(value)[:_VALUE_MAX].encode("utf-8", "backslashreplace").decode()
