"""The settings of one run of vfs: every default, and `load`, which applies the other origins over them.

Order, later wins: defaults, /etc/vfs/config.toml, the user's config.toml, VFS_* variables, flags.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

from vfs.config.places import SYSTEM_CONFIG, Places, places, user_at_host
from vfs.config.values import Values, convert, flat_file, flat_mapping, from_environ
from vfs.errors import ConfigError

MIB = 1 << 20
GIB = 1 << 30


class S3Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to reach an S3 service; empty strings leave the choice to boto3's ordinary configuration.

    `addressing` is auto, path or virtual: where requests name the bucket. `encryption` is what the service is asked to
    encrypt objects with: its own keys (AES256), or a key of its key service (aws:kms), which `kms_key`
    names. `requester_pays`: agree to pay for requests to a bucket that demands it.
    """

    endpoint: str = ""
    region: str = ""
    profile: str = ""
    addressing: str = "auto"
    encryption: str = ""
    kms_key: str = ""
    requester_pays: bool = False
    anonymous: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All settings. Sizes are bytes, times are seconds; directories are absolute paths, not made yet.

    `store` is a URL (`file:///path`, `s3://bucket/prefix`) or a path. `memory` bounds what one process
    keeps of contents. `cache_limit` bounds the local cache (0: what `vfs cache limit` said, else 20 GiB or 10 %
    of the disk, whichever is smaller), `cache_floor` is what it leaves free on its disk. `jobs` are the threads
    of one operation, `timeout` is the time one store operation may take with all its retries. `sign` names
    the key that signs new commits (id or comment, `auto`: the only one there is; empty: none does).
    """

    store: str
    state_dir: str
    cache_dir: str
    author: str
    memory: int = 256 * MIB
    cache_limit: int = 0
    cache_floor: int = GIB
    jobs: int = 1
    timeout: float = 60.0
    sign: str = ""
    s3: S3Settings = S3Settings()


class Loaded(msgspec.Struct, frozen=True):
    """Settings, and for each key (`s3.endpoint` style) where its value came from."""

    settings: Settings
    origins: dict[str, str]


def load(
    overrides: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    system_config: str = SYSTEM_CONFIG,
) -> Loaded:
    """The settings of this process; ConfigError names the file, variable or flag and the key.

    `overrides` are flags by key, dotted or nested; those that are None count as not given. `environ`
    stands in for `os.environ`.
    """
    environment = os.environ if environ is None else environ
    here = places(environment, os.geteuid())
    known = _known_keys()
    values: Values = _defaults(here)
    for path in (system_config, here.user_config):
        values.update(flat_file(path, known))
    values.update(from_environ(environment, known))
    values.update(flat_mapping(overrides or {}, "flag", known))
    return Loaded(_build(values), {key: value.origin for key, value in sorted(values.items())})


def default_settings(**overrides: object) -> Settings:
    """Defaults with `overrides` applied, reading no file and no VFS_* variable: for tests and embedding."""
    environment = {"HOME": os.environ.get("HOME", "")}
    values = _defaults(places(environment, os.geteuid()))
    values.update(flat_mapping(overrides, "flag", _known_keys()))
    return _build(values)


def _known_keys() -> dict[str, type]:
    known: dict[str, type] = {}
    for field in msgspec.structs.fields(Settings):
        if field.name != "s3":
            known[field.name] = field.type
    for field in msgspec.structs.fields(S3Settings):
        known[f"s3.{field.name}"] = field.type
    return known


def _defaults(here: Places) -> Values:
    nested: dict[str, object] = {
        "store": f"file://{here.store}",
        "state_dir": here.state_dir,
        "cache_dir": here.cache_dir,
        "author": user_at_host(os.geteuid()),
        "jobs": len(os.sched_getaffinity(0)),
    }
    for field in msgspec.structs.fields(Settings):
        if field.name not in nested and field.name != "s3":
            nested[field.name] = field.default
    nested["s3"] = msgspec.structs.asdict(S3Settings())
    return flat_mapping(nested, "default", _known_keys())


def _build(values: Values) -> Settings:
    nested: dict[str, object] = {}
    s3: dict[str, object] = {}
    for key, value in values.items():
        table, _, name = key.rpartition(".")
        (s3 if table else nested)[name] = convert(key, value, _known_keys()[key])
    settings = msgspec.convert({**nested, "s3": s3}, Settings)
    for name in ("jobs", "memory", "timeout"):
        if getattr(settings, name) <= 0:
            raise ConfigError(f"{values[name].origin}: {name} must be above 0, not {getattr(settings, name)}")
    for name in ("cache_limit", "cache_floor"):
        if getattr(settings, name) < 0:
            raise ConfigError(f"{values[name].origin}: {name} must not be below 0, is {getattr(settings, name)}")
    if settings.s3.kms_key and settings.s3.encryption != "aws:kms":
        raise ConfigError(f"{values['s3.kms_key'].origin}: s3.kms_key needs s3.encryption to be aws:kms")
    return settings
