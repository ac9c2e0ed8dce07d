"""Single configuration values: read from a file, a mapping or the environment, then checked and converted."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec

from vfs.config.sizes import parse_size
from vfs.errors import ConfigError

VARIABLE_PREFIX = "VFS_"
_SIZES = frozenset({"memory", "cache_limit"})
_DIRECTORIES = frozenset({"state_dir", "cache_dir"})
_CHOICES = {"s3.addressing": ("auto", "path", "virtual"), "s3.encryption": ("", "AES256", "aws:kms")}
_NOT_EMPTY = frozenset({"store", "author", *_DIRECTORIES})


class Value(msgspec.Struct, frozen=True):
    """One raw value and where it came from: `default`, `flag`, a file's path or a variable's name."""

    raw: object
    origin: str


Values: TypeAlias = dict[str, Value]


def variable_of(key: str) -> str:
    """The environment variable for `key`: `s3.endpoint` is VFS_S3_ENDPOINT."""
    return VARIABLE_PREFIX + key.replace(".", "_").upper()


def flat_file(path: str, known: Mapping[str, type]) -> Values:
    """The values of the TOML file `path`; none when it does not exist."""
    try:
        with open(path, "rb") as file:
            table = tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {_one_line(error)}") from error
    return flat_mapping(table, path, known)


def flat_mapping(table: Mapping[str, object], origin: str, known: Mapping[str, type]) -> Values:
    """`table`, nested or dotted, as values by dotted key. None counts as not given; unknown keys are refused."""
    values: Values = {}
    for key, raw in _leaves(table, ""):
        if key not in known:
            raise ConfigError(f"{origin}: unknown key '{key}'; known are {', '.join(sorted(known))}")
        if raw is not None:
            values[key] = Value(raw, origin)
    return values


def from_environ(environ: Mapping[str, str], known: Mapping[str, type]) -> Values:
    """The values of the VFS_* variables that name a key; an empty variable counts as not set."""
    found = ((key, variable_of(key)) for key in known)
    return {key: Value(environ[name], name) for key, name in found if environ.get(name)}


def convert(key: str, value: Value, type_: type) -> object:
    """The value of `key` as a `type_`; ConfigError names origin and key."""
    try:
        raw = value.raw
        if key in _SIZES and isinstance(raw, str):
            raw = parse_size(raw)
        result: object = msgspec.convert(raw, type_, strict=not value.origin.startswith(VARIABLE_PREFIX))
    except (msgspec.ValidationError, ConfigError) as error:
        raise ConfigError(f"{value.origin}: {key}: {_one_line(error)}") from error
    if key in _NOT_EMPTY and not result:
        raise ConfigError(f"{value.origin}: {key}: is empty")
    if key in _CHOICES and result not in _CHOICES[key]:
        known = ", ".join(choice or "nothing" for choice in _CHOICES[key])
        raise ConfigError(f"{value.origin}: {key}: '{result}' is none of {known}")
    if key == "store":
        return _store(str(result), value.origin)
    return _directory(key, str(result), value.origin) if key in _DIRECTORIES else result


def _store(store: str, origin: str) -> str:
    """`store`; a path becomes absolute, since the daemon of a mount works in another directory."""
    if "://" in store or os.path.isabs(store := os.path.expanduser(store)):
        return store
    if not _is_typed(origin):
        raise ConfigError(f"{origin}: store: '{store}' is neither a URL nor an absolute path")
    try:
        return os.path.abspath(store)
    except FileNotFoundError as error:
        raise ConfigError(f"{origin}: store: '{store}': the working directory is gone") from error


def _is_typed(origin: str) -> bool:
    """True for what the user gave with this call, false for what a file says to every call."""
    return origin == "flag" or origin.startswith(VARIABLE_PREFIX)


def _directory(key: str, path: str, origin: str) -> str:
    path = os.path.expanduser(path)
    if not os.path.isabs(path):
        raise ConfigError(f"{origin}: {key}: '{path}' is not an absolute path")
    return os.path.normpath(path)


def _leaves(table: Mapping[str, object], prefix: str) -> Iterator[tuple[str, object]]:
    for name, raw in table.items():
        if isinstance(raw, Mapping):
            yield from _leaves(raw, f"{prefix}{name}.")
        else:
            yield prefix + name, raw


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:1].lower() + text[1:]
