"""The keys of one user: private ones, known public ones, and which of these are trusted. Files in the state directory.

`keys/<id>.pem` (private, 0600), `keys/<id>.pub` (known), `keys/<id>.trusted` (trusted; the whole key again, so that
a `.pub` put in place of another is not trusted by its name). Nothing of it is in a store.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import msgspec

from vfs.errors import AlreadyExists, Corrupt, LocalDenied, NotFound, Refused, UsageError, VfsError
from vfs.files.atomic import fsync_dir, write_atomic
from vfs.files.private import private_dir
from vfs.files.translate import local_error
from vfs.model.publickey import PublicKey, is_key_id, parse_line
from vfs.repo.signing import Signer, is_locked

# `sign = "auto"`: the only private key there is.
AUTO = "auto"
_PRIVATE, _KNOWN, _TRUSTED = ".pem", ".pub", ".trusted"
# A PEM file of an Ed25519 key has some 120 to 400 bytes, a line with the longest comment 300.
_FILE_MAX = 16 * 1024

# Asked with the name of a key, gives its passphrase; Refused when there is nobody to ask.
Ask: TypeAlias = Callable[[str], bytes]


class HeldKey(msgspec.Struct, frozen=True):
    """A key of the ring: whether its private half is here, and whether it is trusted."""

    key: PublicKey
    private: bool
    trusted: bool


class Keyring:
    """The keys below a state directory. Files are written whole, so readers need no lock."""

    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        self.path = Path(state_dir) / "keys"

    def all(self) -> list[HeldKey]:
        """All keys, by id; Corrupt naming a file that does not hold the key of its name."""
        return [self._held(id) for id in sorted(self._ids())]

    def find(self, selector: str) -> HeldKey:
        """The key with that id, start of an id (4 digits or more), or comment; NotFound, Refused when it is several."""
        found = self._matching(selector)
        if not found:
            raise NotFound(f"key {selector}: not here; vfs key list shows those that are")
        if len(found) > 1:
            raise Refused(f"key {selector}: is {', '.join(held.key.id for held in found)}; give the id")
        return found[0]

    def find_private(self, selector: str) -> HeldKey:
        """As `find`, among the keys whose private half is here; `auto` is the only one."""
        if selector == AUTO:
            return self._only_private()
        found = [held for held in self._matching(selector) if held.private]
        if len(found) == 1:
            return found[0]
        held = self.find(selector)
        raise NotFound(f"key {held.key.id}: its private half is not here, it cannot sign")

    def _only_private(self) -> HeldKey:
        found = [held for held in self.all() if held.private]
        if not found:
            raise NotFound("key auto: no private key here; vfs key create makes one")
        if len(found) > 1:
            raise Refused(f"key auto: {len(found)} private keys here; say which: --sign-key or the setting sign")
        return found[0]

    def _matching(self, selector: str) -> list[HeldKey]:
        held = self.all()
        exact = [one for one in held if one.key.id == selector]
        start = [one for one in held if len(selector) >= 4 and one.key.id.startswith(selector)]
        return exact or start or [one for one in held if selector and one.key.comment == selector]

    def trusted(self) -> dict[bytes, PublicKey]:
        """The trusted keys by their bytes."""
        found = (self._read_line(id, _TRUSTED) for id in self._ids() if self._has(id, _TRUSTED))
        return {key.raw: key for key in found}

    def known(self) -> dict[bytes, PublicKey]:
        """All public keys by their bytes, for their comments."""
        return {held.key.raw: held.key for held in self.all()}

    def add(self, key: PublicKey) -> None:
        """Keep a public key; one that is here already gets the new comment."""
        self._write(key.id, _KNOWN, f"{key.line()}\n".encode())

    def add_private(self, signer: Signer, *, passphrase: bytes | None) -> None:
        """Keep a private key, trusted: its owner is this user. AlreadyExists."""
        key = signer.key
        if self._has(key.id, _PRIVATE):
            raise AlreadyExists(f"key {key.id}: is here already")
        # The public half first: keys are found by it, and a private one alone could be neither used nor deleted.
        self.add(key)
        self._write(key.id, _PRIVATE, signer.pem(passphrase))
        self.trust(key)

    def trust(self, key: PublicKey) -> None:
        """Trust a key from now on, and keep it."""
        self.add(key)
        self._write(key.id, _TRUSTED, f"{key.line()}\n".encode())

    def distrust(self, id: str) -> None:
        """Trust a key no longer; it stays known."""
        self._remove(id, _TRUSTED)

    def delete(self, id: str) -> None:
        """Forget a key, its private half first and for ever."""
        for suffix in (_PRIVATE, _TRUSTED, _KNOWN):
            self._remove(id, suffix)

    def pem(self, id: str) -> bytes:
        """The private key as it lies there; LocalDenied when others may read the file."""
        path = self.path / f"{id}{_PRIVATE}"
        return self._read(path, private=True)

    def unlock(self, held: HeldKey, ask: Ask) -> Signer:
        """The private half of a key, `ask` giving the passphrase if it needs one."""
        pem = self.pem(held.key.id)
        what = f"key {held.key.id}"
        passphrase = ask(what) if is_locked(pem) else None
        signer = Signer.from_pem(pem, passphrase=passphrase, comment=held.key.comment, what=what)
        if signer.key.raw != held.key.raw:
            raise Corrupt(f"{self.path / held.key.id}{_PRIVATE}: holds another key than its name says")
        return signer

    def _ids(self) -> set[str]:
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise local_error(self.path, "listed", error) from error
        stems = (name.removesuffix(_KNOWN) for name in names if name.endswith(_KNOWN))
        return {stem for stem in stems if is_key_id(stem)}

    def _held(self, id: str) -> HeldKey:
        return HeldKey(self._read_line(id, _KNOWN), self._has(id, _PRIVATE), self._has(id, _TRUSTED))

    def _has(self, id: str, suffix: str) -> bool:
        return os.path.lexists(self.path / f"{id}{suffix}")

    def _read_line(self, id: str, suffix: str) -> PublicKey:
        path = self.path / f"{id}{suffix}"
        try:
            key = parse_line(self._read(path).decode("utf-8", "replace"), str(path))
        except UsageError as error:
            raise Corrupt(str(error)) from error
        if key.id != id:
            raise Corrupt(f"{path}: holds key {key.id}")
        return key

    def _read(self, path: Path, *, private: bool = False) -> bytes:
        try:
            with open(path, "rb") as file:
                if private and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                    raise LocalDenied(f"{path}: others may read it, so it is not used; chmod 600 it")
                data = file.read(_FILE_MAX + 1)
        except OSError as error:
            raise local_error(path, "read", error) from error
        if len(data) > _FILE_MAX:
            raise Corrupt(f"{path}: over {_FILE_MAX} bytes, no key is that long")
        return data

    def _write(self, id: str, suffix: str, data: bytes) -> None:
        private_dir(self._state_dir)
        write_atomic(private_dir(self.path) / f"{id}{suffix}", data, mode=0o600)

    def _remove(self, id: str, suffix: str) -> None:
        path = self.path / f"{id}{suffix}"
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise local_error(path, "removed", error) from error
        fsync_dir(self.path)


def refuse_to_ask(key: str) -> bytes:
    """What stands in for `Ask` where there is nobody: Refused."""
    raise Refused(f"{key}: needs its passphrase, and there is nobody to ask; VFS_KEY_PASSPHRASE can hold it")


def signer_of(keyring: Keyring, selector: str, ask: Ask) -> Signer:
    """The key that the setting `sign` names, unlocked; NotFound, Refused and the like say that it is about signing."""
    try:
        return keyring.unlock(keyring.find_private(selector), ask)
    except VfsError as error:
        raise type(error)(f"cannot sign: {error}") from error
