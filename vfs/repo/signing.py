"""Ed25519, by the `cryptography` package: private keys, made, kept as text, used; and signatures checked.

The package is loaded when a signature is made or checked, not before.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from vfs.errors import Refused, UsageError
from vfs.model.ids import Digest
from vfs.model.publickey import PublicKey
from vfs.model.signature import Signature, signed_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_ENCRYPTED = b"ENCRYPTED PRIVATE KEY"


class Signer:
    """A private key, unlocked, and its public half. Never shown: only `pem` lets it out."""

    def __init__(self, private: Ed25519PrivateKey, comment: str) -> None:
        self._private = private
        self.key = PublicKey(private.public_key().public_bytes_raw(), comment)

    @classmethod
    def create(cls, comment: str) -> Signer:
        """A new key, from the random numbers of the system."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls(Ed25519PrivateKey.generate(), comment)

    @classmethod
    def from_pem(cls, pem: bytes, *, passphrase: bytes | None, comment: str, what: str) -> Signer:
        """The key in PEM (PKCS8); Refused for a wrong or missing passphrase, UsageError for what is no such key."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        locked = is_locked(pem)
        try:
            private = load_pem_private_key(pem, passphrase if locked else None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            if locked:
                raise Refused(f"{what}: the passphrase does not open it") from error
            raise UsageError(f"{what}: not a private key in PEM (PKCS8)") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise UsageError(f"{what}: a private key of another kind than Ed25519")
        return cls(private, comment)

    def pem(self, passphrase: bytes | None) -> bytes:
        """The private key as text, PEM (PKCS8), locked by `passphrase` if there is one."""
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        lock = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)

    def sign(self, repo: str, commit: Digest) -> Signature:
        """The signature of one commit, made now."""
        now = time.time_ns()
        return Signature(self.key.raw, now, self._private.sign(signed_bytes(repo, commit, time_ns=now)))


def is_locked(pem: bytes) -> bool:
    """Whether a private key needs a passphrase."""
    return _ENCRYPTED in pem


def holds(signature: Signature, repo: str, commit: Digest) -> bool:
    """Whether the owner of the key that `signature` names signed this very commit."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        public = Ed25519PublicKey.from_public_bytes(signature.key)
        public.verify(signature.signature, signed_bytes(repo, commit, time_ns=signature.time_ns))
    except (InvalidSignature, ValueError):
        return False
    return True
