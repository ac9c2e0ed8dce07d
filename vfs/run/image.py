"""Which container image a run is in, as far as a process can tell."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

from vfs.errors import UsageError
from vfs.journal.masking import masked_text

VARIABLE = "VFS_IMAGE"
# Podman writes down, within the container, which image it is of.
_CONTAINERENV = "/run/.containerenv"
# Apptainer and Singularity name the image file.
_IMAGE_FILES = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
_LENGTH_MAX = 512
_FILE_MAX = 1 << 16


def image_of(
    given: str = "", *, environment: Mapping[str, str] | None = None, containerenv: str = _CONTAINERENV
) -> str:
    """The image: as `given`, else as VFS_IMAGE says, else what Podman or Apptainer left for us to find; "" for none.

    Docker, containerd and Kubernetes tell a container nothing of its image. UsageError when `given` or VFS_IMAGE is
    no name.
    """
    variables = os.environ if environment is None else environment
    named = given or variables.get(VARIABLE, "")
    if named:
        return _checked(named, "--image" if given else VARIABLE)
    found = _from_podman(containerenv) or next((variables[name] for name in _IMAGE_FILES if variables.get(name)), "")
    return masked_text(found) if _is_name(found) else ""


def _checked(name: str, origin: str) -> str:
    if not _is_name(name):
        raise UsageError(f"{origin}: not the name of an image: {_LENGTH_MAX} printable characters at most, no blank")
    return masked_text(name)


def _is_name(text: str) -> bool:
    return len(text) <= _LENGTH_MAX and text.isprintable() and " " not in text


def _from_podman(path: str) -> str:
    """`image="…"` of the file, with the image's id where it is known: a name can be given to another image."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read(_FILE_MAX).splitlines()
    except OSError:
        return ""
    found = dict(_assignment(line) for line in lines if "=" in line)
    name, id = found.get("image", ""), found.get("imageid", "")
    return f"{name}@sha256:{id}" if name and id and "@" not in name else name


def _assignment(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    try:
        words = shlex.split(value)
    except ValueError:
        return name, ""
    return name.strip(), words[0] if words else ""
