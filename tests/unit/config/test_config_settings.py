from __future__ import annotations

import os
from pathlib import Path

import pytest

from vfs.config.settings import Loaded, Settings, default_settings, load
from vfs.config.values import variable_of
from vfs.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".config" / "vfs").mkdir(parents=True)
    return tmp_path


def user_file(home: Path, text: str) -> Path:
    path = home / ".config" / "vfs" / "config.toml"
    path.write_text(text)
    return path


def read(home: Path, flags: dict[str, object] | None = None, **environ: str) -> Loaded:
    return load(flags, {"HOME": str(home), **environ}, system_config=str(home / "system.toml"))


def test_defaults_of_a_user(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    loaded = read(home)
    assert loaded.settings.store == f"file://{home}/.local/share/vfs/store"
    assert loaded.settings.state_dir == f"{home}/.local/state/vfs"
    assert loaded.settings.cache_dir == f"{home}/.cache/vfs"
    assert loaded.settings.author == f"12345@{os.uname().nodename}"
    assert loaded.settings.jobs == len(os.sched_getaffinity(0))
    assert set(loaded.origins.values()) == {"default"}


def test_defaults_of_root(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert read(home).settings.state_dir == "/var/lib/vfs"
    assert read(home).settings.cache_dir == "/var/cache/vfs"


def test_xdg_directories_count_when_absolute(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    settings = read(home, XDG_STATE_HOME="/state", XDG_DATA_HOME="relative").settings
    assert settings.state_dir == "/state/vfs"
    assert settings.store == f"file://{home}/.local/share/vfs/store"


def test_each_origin_overrides_the_one_before(home: Path) -> None:
    (home / "system.toml").write_text('author = "system"\njobs = 2\nmemory = "1GiB"\ncache_limit = 1000\n')
    path = user_file(home, 'author = "user"\njobs = 3\nmemory = 5000\n[s3]\nendpoint = "http://user"\n')
    loaded = read(home, {"author": "flag", "s3.region": None}, VFS_AUTHOR="variable", VFS_JOBS="4", VFS_STATE_DIR="")
    settings, origins = loaded.settings, loaded.origins
    assert (settings.author, origins["author"]) == ("flag", "flag")
    assert (settings.jobs, origins["jobs"]) == (4, "VFS_JOBS")
    assert (settings.memory, origins["memory"]) == (5000, str(path))
    assert (settings.cache_limit, origins["cache_limit"]) == (1000, str(home / "system.toml"))
    assert (settings.s3.endpoint, origins["s3.endpoint"]) == ("http://user", str(path))
    assert (settings.s3.region, origins["s3.region"]) == ("", "default")
    assert origins["state_dir"] == "default"


def test_every_key_has_an_origin_and_a_variable(home: Path) -> None:
    flat = {name for name in Settings.__struct_fields__ if name != "s3"}
    loaded = read(home)
    assert set(loaded.origins) == flat | {f"s3.{name}" for name in type(loaded.settings.s3).__struct_fields__}
    assert list(loaded.origins) == sorted(loaded.origins)
    assert variable_of("s3.endpoint") == "VFS_S3_ENDPOINT"


def test_variables_are_read_as_their_kind(home: Path) -> None:
    settings = read(
        home, VFS_MEMORY="64MiB", VFS_CACHE_LIMIT="5", VFS_S3_ANONYMOUS="true", VFS_TIMEOUT="2.5", VFS_STORE="s3://b"
    ).settings
    assert (settings.memory, settings.cache_limit, settings.s3.anonymous) == (64 << 20, 5, True)
    assert (settings.timeout, settings.store) == (2.5, "s3://b")


def test_a_relative_store_is_that_of_the_directory_the_command_was_started_in(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = home / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    assert read(home, VFS_STORE="./store").settings.store == str(work / "store")
    assert read(home, {"store": "../s"}).settings.store == str(home / "s")
    assert read(home, {"store": "~/s"}).settings.store == str(home / "s")
    assert read(home, VFS_STORE="s3://b/p").settings.store == "s3://b/p"
    assert read(home, VFS_STORE="file:///x").settings.store == "file:///x"
    work.rmdir()
    with pytest.raises(ConfigError, match=r"^VFS_STORE: store: 's': the working directory is gone"):
        read(home, VFS_STORE="s")


def test_variables_of_others_are_left_alone(home: Path) -> None:
    assert read(home, VFS_OUT="/pfs/out", VFS_INPUT_A="/pfs/a").settings == read(home).settings


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("stor = 'x'", r"config\.toml: unknown key 'stor'; known are author, cache_dir"),
        ("[s3]\nbucket = 'x'", r"config\.toml: unknown key 's3\.bucket'"),
        ("[author]\nname = 'x'", r"config\.toml: unknown key 'author\.name'"),
        ("s3 = 1", r"config\.toml: unknown key 's3'"),
        ("jobs = 'four'", r"config\.toml: jobs: expected `int`, got `str`"),
        ("jobs = '4'", r"config\.toml: jobs: expected `int`, got `str`"),
        ("jobs = 0", r"config\.toml: jobs must be above 0, not 0"),
        ("timeout = -1", r"config\.toml: timeout must be above 0"),
        ("memory = '20 lightyears'", r"config\.toml: memory: '20 lightyears': not a size"),
        ("state_dir = 'relative'", r"config\.toml: state_dir: 'relative' is not an absolute path"),
        ("store = ''", r"config\.toml: store: is empty"),
        ("store = './store'", r"config\.toml: store: '\./store' is neither a URL nor an absolute path"),
        ("author = ", r"config\.toml: not valid TOML"),
        ("author = '\udcff'", r"config\.toml: not valid TOML"),
    ],
)
def test_a_file_that_cannot_be_used_names_itself_and_the_key(home: Path, text: str, told: str) -> None:
    (home / ".config" / "vfs" / "config.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=told) as raised:
        read(home)
    assert "\n" not in str(raised.value)


def test_a_variable_and_a_flag_that_cannot_be_used_name_themselves(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"^VFS_JOBS: jobs: expected `int`"):
        read(home, VFS_JOBS="many")
    with pytest.raises(ConfigError, match=r"^flag: unknown key 'nonsense'"):
        read(home, {"nonsense": 1})


@pytest.mark.root
def test_a_file_that_cannot_be_read_is_named(home: Path) -> None:
    user_file(home, "").unlink()
    (home / ".config" / "vfs" / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml: cannot be read: is a directory"):
        read(home)


def test_directories_may_start_at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert read(home, VFS_STATE_DIR="~/state/../s").settings.state_dir == "/home/me/s"


def test_default_settings_ignore_the_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VFS_STORE", "file:///elsewhere")
    settings = default_settings(state_dir="/s", s3={"endpoint": "http://e"})
    assert not settings.store.startswith("file:///elsewhere")
    assert (settings.state_dir, settings.s3.endpoint, settings.s3.region) == ("/s", "http://e", "")


def test_choices_of_s3_are_checked(home: Path) -> None:
    path = user_file(home, '[s3]\nencryption = "aws:kms"\nkms_key = "key"\naddressing = "virtual"\nprofile = "team"\n')
    s3 = read(home).settings.s3
    assert (s3.encryption, s3.kms_key, s3.addressing, s3.profile) == ("aws:kms", "key", "virtual", "team")
    with pytest.raises(ConfigError, match=r"VFS_S3_ENCRYPTION: s3.encryption: 'rot13' is none of nothing, AES256"):
        read(home, VFS_S3_ENCRYPTION="rot13")
    with pytest.raises(ConfigError, match=r"flag: s3.addressing: 'dns' is none of auto, path, virtual"):
        read(home, {"s3.addressing": "dns"})
    with pytest.raises(ConfigError, match=rf"{path}: s3.kms_key needs s3.encryption to be aws:kms"):
        read(home, VFS_S3_ENCRYPTION="AES256")
    assert read(home, VFS_S3_REQUESTER_PAYS="true").settings.s3.requester_pays is True
