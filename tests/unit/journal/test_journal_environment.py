"""Which variables of the environment are recorded."""

from __future__ import annotations

import pytest

from vfs.errors import Refused, UsageError
from vfs.journal.environment import allowed, check_recorded


def test_only_the_list_and_what_was_asked_for() -> None:
    environment = {"PATH": "/bin", "HOME": "/root", "MODEL": "large", "LC_ALL": "C", "OTHER": "x"}
    assert allowed(environment) == (("LC_ALL", "C"), ("PATH", "/bin"))
    assert allowed(environment, ("MODEL", "ABSENT")) == (("LC_ALL", "C"), ("MODEL", "large"), ("PATH", "/bin"))


def test_secrets_under_allowed_prefixes_and_in_values_are_left_out() -> None:
    environment = {
        "LC_PASSWORD": "geheim",
        "VFS_INPUT_TOKEN": "geheim",
        "PYTHONPATH": "https://a:geheim@b/",
        "X_KEY": "g",
    }
    assert allowed(environment, ("X_KEY",)) == (("PYTHONPATH", "https://a:***@b/"),)


def test_long_and_odd_values() -> None:
    assert allowed({"PATH": "x" * 10_000, "LANG": "\udcff"}) == (("LANG", "\\udcff"), ("PATH", "x" * 4096))


@pytest.mark.parametrize("name", ["MY_TOKEN", "aws_secret", "PGPASSWORD", "API_KEY", "KEYS", "AUTH", "SSH_PASSPHRASE"])
def test_names_that_look_secret_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="looks secret"):
        check_recorded(["A", name])


@pytest.mark.parametrize("name", ["", "A B", "A=1", "1A", "A\n", "Ä", "A" * 129])
def test_what_is_no_name_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match="not a name"):
        check_recorded([name])


def test_each_name_once() -> None:
    assert check_recorded(["B", "A", "B"]) == ("B", "A")
