"""Signatures: made before the branch moves, judged by whole keys, and whatever else lies at their place is named."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from vfs.config.settings import Settings, default_settings
from vfs.errors import AlreadyExists, Corrupt, LocalDenied, LocalIOError, NotFound, Refused, StoreError, UsageError
from vfs.model.commit import StoredCommit
from vfs.model.publickey import PublicKey, clean_comment, parse_line
from vfs.model.revision import parse_revision
from vfs.model.signature import SIGNATURE_MAX, encode_signature, signed_bytes
from vfs.repo.keyring import AUTO, Keyring, refuse_to_ask, signer_of
from vfs.repo.layout import signature_key, signatures_of
from vfs.repo.library import Library
from vfs.repo.put import put
from vfs.repo.repos import create_repo, delete_repo
from vfs.repo.resolve import resolve
from vfs.repo.signatures import SIGNATURES_MAX, Judge, Judged, Standing, has_signed, sign, strays
from vfs.repo.signing import Signer, holds
from vfs.repo.sources import parse_source
from vfs.store.marker import ensure_marker
from vfs.store.memory import MemoryStore


@pytest.fixture
def ring(settings: Settings) -> Keyring:
    return Keyring(settings.state_dir)


@pytest.fixture
def ada() -> Signer:
    return Signer.create("ada")


@pytest.fixture(params=["local", "memory"])
def stored(request: pytest.FixtureRequest, settings: Settings, work: Path) -> tuple[Library, StoredCommit]:
    """A commit in a library over each kind of store that needs no service."""
    (work / "a").write_text("a")
    if request.param == "local":
        library = request.getfixturevalue("library")
    else:
        store = MemoryStore()
        ensure_marker(store)
        library = Library(store, settings)
        create_repo(library, "r")
        request.addfinalizer(library.close)
    put(library, parse_revision("r"), [parse_source(str(work / "a"))])
    return library, resolve(library, parse_revision("r")).stored


def judged(library: Library, commit: StoredCommit, *trusted: PublicKey) -> tuple[Judged, ...]:
    return Judge({key.raw: key for key in trusted}, {}).all(library, commit)


def test_a_signature_holds_for_its_commit_repo_and_key_alone(ada: Signer) -> None:
    made = ada.sign("r", b"c" * 32)
    assert holds(made, "r", b"c" * 32)
    assert not holds(made, "r", b"d" * 32)
    assert not holds(made, "s", b"c" * 32)
    assert not holds(msgspec.structs.replace(made, time_ns=made.time_ns + 1), "r", b"c" * 32)
    assert not holds(msgspec.structs.replace(made, key=Signer.create("x").key.raw), "r", b"c" * 32)


def test_the_signed_bytes_are_those_of_the_format_page() -> None:
    assert signed_bytes("ab", b"\x01" * 32, time_ns=-2) == (
        b"vfs-commit-signature-1\0\x02ab" + b"\x01" * 32 + b"\xfe" + b"\xff" * 7
    )


def test_trusted_unknown_and_none(stored: tuple[Library, StoredCommit], ada: Signer) -> None:
    library, commit = stored
    assert judged(library, commit, ada.key) == ()
    sign(library, commit, ada)
    (found,) = judged(library, commit, ada.key)
    assert (found.standing, found.key, found.comment) == (Standing.TRUSTED, ada.key.id, "ada")
    (found,) = judged(library, commit)
    assert (found.standing, found.comment) == (Standing.UNKNOWN, "")
    assert has_signed(library, commit, ada) and not has_signed(library, commit, Signer.create("other"))


def test_several_keys_sign_one_commit(stored: tuple[Library, StoredCommit], ada: Signer) -> None:
    library, commit = stored
    bob = Signer.create("bob")
    for signer in (ada, bob, ada):
        sign(library, commit, signer)
    found = {one.key: one.standing for one in judged(library, commit, bob.key)}
    assert found == {ada.key.id: Standing.UNKNOWN, bob.key.id: Standing.TRUSTED}


def test_a_key_of_the_same_id_is_not_the_trusted_one(stored: tuple[Library, StoredCommit], ada: Signer) -> None:
    library, commit = stored
    sign(library, commit, ada)
    assert Judge({b"other": ada.key}, {}).all(library, commit)[0].standing is Standing.UNKNOWN


def hostile(ada: Signer, commit: StoredCommit) -> dict[str, bytes]:
    made = ada.sign("r", commit.id)
    good = encode_signature(made)
    fields = msgspec.msgpack.decode(good)
    flipped = bytearray(good)
    flipped[-1] ^= 1
    key = bytearray(good)
    key[key.index(made.key)] ^= 1
    return {
        "does not sign this commit": bytes(flipped),
        "is by key": bytes(key),
        "cannot be decoded": good[:40],
        "no signature is that long": good + bytes(SIGNATURE_MAX),
        "unknown, this version knows": encode_with(fields, 2, "unknown, this version knows"),
        "of format 2": encode_with(fields, 1, 2),
        "not a signature": encode_with(fields, 0, "vfs-commit"),
        "wrong size": encode_with(fields, 5, b"short"),
        "a key, signature or time": encode_with(fields, 4, (1 << 63) + 5),
        "signs this commit: altered, or of another one": encode_signature(ada.sign("r", b"x" * 32)),
        "Expected": b"\xff\x00garbage",
    }


def encode_with(fields: list[object], place: int, value: object) -> bytes:
    return msgspec.msgpack.encode([*fields[:place], value, *fields[place + 1 :]])


@pytest.mark.parametrize("number", range(11))
def test_what_is_no_signature_of_the_commit_is_named(
    stored: tuple[Library, StoredCommit], ada: Signer, number: int
) -> None:
    library, commit = stored
    data = list(hostile(ada, commit).values())[number]
    key = signature_key("r", commit.id, ada.key.id)
    library.store.put(key, data)
    (found,) = judged(library, commit, ada.key)
    assert found.standing is Standing.BAD
    assert found.cause.startswith(f"{key}: ") and "\n" not in found.cause
    assert not has_signed(library, commit, ada)
    # The owner of the key can put it right.
    sign(library, commit, ada)
    assert judged(library, commit, ada.key)[0].standing is Standing.TRUSTED


def test_each_bad_object_has_its_own_cause(stored: tuple[Library, StoredCommit], ada: Signer) -> None:
    library, commit = stored
    causes = set()
    for data in hostile(ada, commit).values():
        library.store.put(signature_key("r", commit.id, ada.key.id), data)
        causes.add(judged(library, commit)[0].cause.partition(": ")[2][:24])
    assert len(causes) >= 8


def test_objects_of_other_names_and_too_many_are_named(stored: tuple[Library, StoredCommit], ada: Signer) -> None:
    library, commit = stored
    prefix = signatures_of("r", commit.id)
    library.store.put(f"{prefix}note.txt", b"x")
    library.store.put(f"{prefix}deep/er", b"x")
    assert [one.standing for one in judged(library, commit)] == [Standing.BAD] * 2
    for number in range(SIGNATURES_MAX):
        library.store.put(f"{prefix}{number:016x}", b"x")
    found = judged(library, commit)
    assert len(found) == SIGNATURES_MAX + 1 and "not looked at" in found[-1].cause


def test_the_signature_copied_to_another_commit_is_bad(stored: tuple[Library, StoredCommit], ada: Signer) -> None:
    library, commit = stored
    sign(library, commit, ada)
    data = library.store.get(signature_key("r", commit.id, ada.key.id))
    other = msgspec.structs.replace(commit, id=b"o" * 32)
    library.store.put(signature_key("r", other.id, ada.key.id), data)
    assert "does not sign this commit" in judged(library, other, ada.key)[0].cause


@pytest.fixture
def signing(settings: Settings, library: Library, ring: Keyring, ada: Signer, work: Path) -> Library:
    ring.add_private(ada, passphrase=None)
    (work / "a").write_text("a")
    return Library.open(msgspec.structs.replace(settings, sign=AUTO))


def test_the_setting_signs_every_commit(signing: Library, ada: Signer, work: Path) -> None:
    with signing:
        for number in range(2):
            (work / "a").write_text(str(number))
            stored = put(signing, parse_revision("r"), [parse_source(str(work / "a"))]).stored
            assert stored is not None
            assert [one.standing for one in judged(signing, stored, ada.key)] == [Standing.TRUSTED]


def test_a_branch_never_names_an_unsigned_commit(signing: Library, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store fails at the signature: the branch stays where it was."""
    with signing:
        real = signing.store.put

        def failing(key: str, data: bytes) -> None:
            if "/signatures/" in key:
                raise StoreError(f"{key}: no")
            real(key, data)

        monkeypatch.setattr(signing.store, "put", failing)
        with pytest.raises(StoreError, match="signatures"):
            put(signing, parse_revision("r"), [parse_source(str(work / "a"))])
        assert list(signing.store.list("repos/r/heads/")) == []
        assert len(list(signing.store.list("repos/r/commits/"))) == 1


def test_deleting_a_repo_removes_its_signatures(signing: Library, work: Path) -> None:
    with signing:
        put(signing, parse_revision("r"), [parse_source(str(work / "a"))])
        assert list(signing.store.list("repos/r/signatures/"))
        delete_repo(signing, "r", force=True)
        assert list(signing.store.list("repos/r/")) == []


def test_signatures_of_no_commit_are_strays(stored: tuple[Library, StoredCommit], ada: Signer) -> None:
    library, commit = stored
    sign(library, commit, ada)
    gone = signature_key("r", b"g" * 32, ada.key.id)
    library.store.put(gone, b"x")
    assert strays(library, "r") == [gone]


def test_private_keys_are_private_and_locked(ring: Keyring, ada: Signer) -> None:
    ring.add_private(ada, passphrase=b"secret")
    path = ring.path / f"{ada.key.id}.pem"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    held = ring.find("ada")
    assert held.private and held.trusted
    assert ring.unlock(held, lambda key: b"secret").key == ada.key
    with pytest.raises(Refused, match=f"key {ada.key.id}: the passphrase does not open it"):
        ring.unlock(held, lambda key: b"wrong")
    with pytest.raises(Refused, match=r"cannot sign: .*nobody to ask"):
        signer_of(ring, AUTO, refuse_to_ask)
    with pytest.raises(AlreadyExists):
        ring.add_private(ada, passphrase=None)
    path.chmod(0o640)
    with pytest.raises(LocalDenied, match="chmod 600"):
        ring.unlock(held, lambda key: b"secret")


def test_a_key_that_could_not_be_kept_whole_leaves_no_private_half(ring: Keyring, ada: Signer) -> None:
    blocked = ring.path / f"{ada.key.id}.pub"
    blocked.mkdir(parents=True)
    with pytest.raises(LocalIOError):
        ring.add_private(ada, passphrase=None)
    assert [path.suffix for path in ring.path.iterdir()] == [".pub"]
    blocked.rmdir()
    ring.add_private(ada, passphrase=None)
    assert ring.find("ada").private


def test_the_comment_given_last_is_what_a_trusted_key_is_called(
    ring: Keyring, stored: tuple[Library, StoredCommit], ada: Signer
) -> None:
    sign(*stored, ada)
    ring.trust(ada.key)
    ring.add(PublicKey(ada.key.raw, "Countess"))
    (found,) = Judge(ring.trusted(), ring.known()).all(*stored)
    assert (found.standing, found.comment) == (Standing.TRUSTED, "Countess")


def test_keys_are_found_by_id_its_start_and_comment(ring: Keyring, ada: Signer) -> None:
    bob = Signer.create("bob")
    ring.add_private(ada, passphrase=None)
    ring.add(bob.key)
    assert {ring.find(word).key for word in (ada.key.id, ada.key.id[:6], "ada")} == {ada.key}
    assert ring.find_private(AUTO).key == ada.key
    with pytest.raises(NotFound, match="private half is not here"):
        ring.find_private("bob")
    with pytest.raises(NotFound, match="key nobody"):
        ring.find("nobody")
    ring.add_private(Signer.create("ada"), passphrase=None)
    with pytest.raises(Refused, match="give the id"):
        ring.find("ada")
    with pytest.raises(Refused, match="2 private keys"):
        ring.find_private(AUTO)


def test_trust_is_given_and_taken(ring: Keyring) -> None:
    bob = Signer.create("bob").key
    ring.add(bob)
    assert ring.trusted() == {}
    ring.trust(bob)
    assert ring.trusted() == {bob.raw: bob}
    ring.distrust(bob.id)
    assert ring.trusted() == {} and ring.find("bob").key == bob
    ring.delete(bob.id)
    assert ring.all() == []


def test_a_key_file_put_in_place_of_another_is_named(ring: Keyring) -> None:
    bob, eve = Signer.create("bob").key, Signer.create("bob").key
    ring.trust(bob)
    (ring.path / f"{bob.id}.trusted").write_text(eve.line())
    with pytest.raises(Corrupt, match=f"{bob.id}.trusted: holds key {eve.id}"):
        ring.trusted()


@pytest.mark.parametrize("line", ["", "ssh-ed25519 AAAA x", "vfs-ed25519", "vfs-ed25519 !!!!", "vfs-ed25519 QUJD", "é"])
def test_what_is_no_public_key_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match=r"^me: "):
        parse_line(line, "me")


def test_a_line_is_read_back_and_comments_are_one_line() -> None:
    key = PublicKey(os.urandom(32), clean_comment("  a\n\x1b[31mb "))
    assert key.comment == "a ?[31mb"
    assert parse_line(key.line() + "\n", "me") == key


@pytest.mark.parametrize(
    "pem", [b"-----BEGIN PRIVATE KEY-----\nQUJD\n-----END PRIVATE KEY-----\n", b"PRIVATE KEY", b""]
)
def test_what_is_no_private_key_is_refused(pem: bytes) -> None:
    with pytest.raises(UsageError, match=r"^me: not a private key"):
        Signer.from_pem(pem, passphrase=None, comment="", what="me")


def test_a_private_key_of_another_kind_is_refused() -> None:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    pem = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(UsageError, match="another kind than Ed25519"):
        Signer.from_pem(pem, passphrase=None, comment="", what="me")


def test_the_signer_is_named_by_the_setting(settings: Settings, ring: Keyring, ada: Signer) -> None:
    ring.add_private(ada, passphrase=None)
    named = default_settings(**{**msgspec.structs.asdict(settings), "s3": {}, "sign": "ada"})
    with Library(MemoryStore(), named) as library:
        assert library.signer is not None and library.signer.key == ada.key
    with Library(MemoryStore(), settings) as library:
        assert library.signer is None
