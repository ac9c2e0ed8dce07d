"""Which environment variables are recorded: an allow-list, since the rest may hold secrets."""

from __future__ import annotations

from collections.abc import Mapping

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


def allowed(environment: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The variables of `environment` that may be recorded, sorted by name."""
    return tuple(
        (name, environment[name][:_VALUE_MAX].encode("utf-8", "backslashreplace").decode())
        for name in sorted(environment)
        if name in ALLOWED or name.startswith(_PREFIXES)
    )
