"""Access keys of a running S3 service that come and go, and a program that prints which one is in force."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path

from support.radosgw import Radosgw

# Prints what the file beside it holds as access key, and how often it was asked.
PROGRAM = """\
import datetime, json, sys
directory = {directory!r}
with open(directory + "/asked", "a") as asked:
    asked.write("x")
key, secret, seconds = open(directory + "/keys").read().split()
end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=float(seconds))
print(json.dumps(dict(Version=1, AccessKeyId=key, SecretAccessKey=secret, Expiration=end.isoformat())))
"""


class Keys:
    """A user's second access key, and the program that prints which one is in force."""

    def __init__(self, gateway: Radosgw, directory: Path) -> None:
        self.gateway, self.directory = gateway, directory
        self.made: list[tuple[str, str]] = []
        (directory / "program.py").write_text(PROGRAM.format(directory=str(directory)))
        (directory / "config").write_text(f"[default]\ncredential_process = {sys.executable} {directory}/program.py\n")

    def make(self) -> tuple[str, str]:
        key, secret = f"key{secrets.token_hex(6)}", secrets.token_hex(16)
        self.gateway.admin("key", "create", "--uid=tests", "--key-type=s3", f"--access-key={key}", f"--secret={secret}")
        self.made.append((key, secret))
        return key, secret

    def remove(self, key: str) -> None:
        self.gateway.admin("key", "rm", "--uid=tests", "--key-type=s3", f"--access-key={key}")
        self.made = [pair for pair in self.made if pair[0] != key]

    def give(self, pair: tuple[str, str], *, seconds: float) -> None:
        (self.directory / "keys").write_text(f"{pair[0]} {pair[1]} {seconds}")

    @property
    def asked(self) -> int:
        return len((self.directory / "asked").read_text())
