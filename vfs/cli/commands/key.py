"""`vfs key`: the keys that sign commits, and those whose signatures are trusted."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from vfs.cli import options, output
from vfs.cli.call import Call, pass_call
from vfs.cli.outfile import write_file
from vfs.cli.parameters import LOCAL_PATH, REPO, REVISION
from vfs.cli.signing import ask, ask_new
from vfs.errors import Refused, UsageError
from vfs.files.translate import local_error
from vfs.model.ids import short
from vfs.model.publickey import LINE_TAG, PublicKey, clean_comment, parse_line
from vfs.model.revision import Revision
from vfs.repo.keyring import AUTO, HeldKey, Keyring
from vfs.repo.resolve import resolve
from vfs.repo.signing import Signer

_INPUT_MAX = 64 * 1024


@click.group("key")
def key_command() -> None:
    """Make, share and trust the keys that sign commits."""


def _ring(call: Call) -> Keyring:
    return Keyring(call.settings().state_dir)


@key_command.command("create")
@click.argument("comment", required=False)
@click.option("--passphrase", is_flag=True, help="Lock the private key with a passphrase.")
@pass_call
def create(call: Call, comment: str | None, passphrase: bool) -> None:
    """Make a key pair, and print the public key.

    The private key stays in the state directory. COMMENT says whose key it is; without one it is the author of commits.
    A passphrase is asked for, or taken from VFS_KEY_PASSPHRASE.

    \b
    Examples:
      vfs key create
      vfs key create "release robot" --passphrase
    """
    lock = ask_new() if passphrase else None
    if lock == b"":
        raise UsageError("key create: an empty passphrase locks nothing")
    signer = Signer.create(clean_comment(comment or call.settings().author))
    _ring(call).add_private(signer, passphrase=lock)
    output.line(f"key {signer.key.id} created")
    output.line(signer.key.line())


@key_command.command("list")
@options.as_json
@pass_call
def list_(call: Call, as_json: bool) -> None:
    """List the keys, those that can sign and those that are trusted.

    \b
    Example:
      vfs key list
    """
    held = _ring(call).all()
    if as_json:
        output.array(map(_json, held))
        return
    rows = [(one.key.id, _yes(one.private), _yes(one.trusted), one.key.comment) for one in held]
    output.table(("key", "signs", "trusted", "comment"), rows)


@key_command.command("show")
@click.argument("key")
@options.as_json
@pass_call
def show(call: Call, key: str, as_json: bool) -> None:
    """Show one key.

    KEY is its id, the first four or more digits of it, or its comment.

    \b
    Example:
      vfs key show 4be1
    """
    held = _ring(call).find(key)
    if as_json:
        output.document(_json(held))
        return
    fields = [("key", held.key.id), ("comment", held.key.comment), ("signs", _yes(held.private))]
    output.fields([*fields, ("trusted", _yes(held.trusted)), ("public key", held.key.line())])


@key_command.command("import")
@click.argument("file", metavar="FILE", type=LOCAL_PATH)
@click.option("--trust", is_flag=True, help="Trust the key as well.")
@click.option("--comment", metavar="TEXT", default="", help="What to call it.")
@pass_call
def import_(call: Call, file: str, trust: bool, comment: str) -> None:
    """Keep a public or a private key from a file.

    FILE - is standard input. A public key is one line, as 'vfs key export' prints it. A private one is PEM (PKCS8); it
    is trusted, as your own.

    \b
    Examples:
      vfs key import colleague.pub --trust
      vfs key import backup.pem
    """
    ring, data = _ring(call), _read(file)
    if b"PRIVATE KEY" in data:
        lock = _Lock()
        signer = Signer.from_pem(data, passphrase=lock.of(data, file), comment=_called(call, comment), what=file)
        ring.add_private(signer, passphrase=lock.held)
        output.line(f"key {signer.key.id} imported, with its private half")
        return
    key = parse_line(data.decode("utf-8", "replace"), file)
    key = PublicKey(key.raw, clean_comment(comment) or key.comment)
    (ring.trust if trust else ring.add)(key)
    output.line(f"key {key.id} imported{', trusted' if trust else ''}")


class _Lock:
    """The passphrase of a private key that is imported; it keeps it."""

    def __init__(self) -> None:
        self.held: bytes | None = None

    def of(self, pem: bytes, what: str) -> bytes | None:
        """Asked for when the key is locked."""
        from vfs.repo.signing import is_locked

        if is_locked(pem):
            self.held = ask(what)
        return self.held


def _called(call: Call, comment: str) -> str:
    return clean_comment(comment or call.settings().author)


@key_command.command("export")
@click.argument("key")
@click.option("-o", "--output", "file", metavar="FILE", type=LOCAL_PATH, help="Write to FILE instead.")
@click.option("--private", is_flag=True, help="The private key, as it lies there: who has it can sign as you.")
@pass_call
def export(call: Call, key: str, file: str | None, private: bool) -> None:
    """Print a public key, for others to import.

    \b
    Examples:
      vfs key export auto > me.pub
      vfs key export 4be1 --private -o backup.pem
    """
    ring = _ring(call)
    held = ring.find_private(key) if private or key == AUTO else ring.find(key)
    data = ring.pem(held.key.id) if private else f"{held.key.line()}\n".encode()
    if file is None:
        output.write(data)
    else:
        write_file(file, data, mode=0o600 if private else 0o644)


@key_command.command("trust")
@click.argument("key", metavar="KEY|LINE")
@pass_call
def trust_(call: Call, key: str) -> None:
    """Trust the signatures of a key.

    A key that was imported is named by id or comment; a whole line of a public key may be given instead.

    \b
    Examples:
      vfs key trust 4be1
      vfs key trust "vfs-ed25519 ff0l…MFE= Ada"
    """
    ring = _ring(call)
    found = parse_line(key, "key") if key.startswith(f"{LINE_TAG} ") else ring.find(key).key
    ring.trust(found)
    output.line(f"key {found.id} is trusted")


@key_command.command("distrust")
@click.argument("key")
@pass_call
def distrust(call: Call, key: str) -> None:
    """Trust the signatures of a key no longer.

    \b
    Example:
      vfs key distrust 4be1
    """
    ring = _ring(call)
    held = ring.find(key)
    ring.distrust(held.key.id)
    output.line(f"key {held.key.id} is not trusted")


@key_command.command("delete")
@click.argument("key")
@click.option("--force", is_flag=True, help="Also when its private half is here, which is lost then.")
@pass_call
def delete(call: Call, key: str, force: bool) -> None:
    """Forget a key.

    \b
    Example:
      vfs key delete 4be1
    """
    ring = _ring(call)
    held = ring.find(key)
    if held.private and not force:
        raise Refused(f"key {held.key.id}: its private half is here; --force deletes it for ever")
    ring.delete(held.key.id)
    output.line(f"key {held.key.id} deleted")


@key_command.command("sign")
@click.argument("revision", metavar="REV", type=REVISION)
@click.option("--key", metavar="KEY", default="", help="The key to sign with, instead of the setting.")
@pass_call
def sign_(call: Call, revision: Revision, key: str) -> None:
    """Sign a commit that is there already.

    \b
    Examples:
      vfs key sign photos@v1
      vfs key sign photos --key 4be1
    """
    from vfs.repo.signatures import has_signed, sign

    if revision.path:
        raise UsageError(f"{revision}: a whole commit is signed, not a path")
    call.sign, call.commits = key or AUTO, True
    library = call.library()
    signer = library.signer
    assert signer is not None
    stored = resolve(library, revision).stored
    done = has_signed(library, stored, signer)
    if not done:
        sign(library, stored, signer)
    was = "was signed" if done else "signed"
    output.line(f"{revision}: commit {short(stored.id)} {was} by key {signer.key.id}")


@key_command.command("strays")
@click.argument("repo", type=REPO)
@click.option("--delete", "remove", is_flag=True, help="Remove them from the store.")
@options.as_json
@pass_call
def strays_(call: Call, repo: str, remove: bool, as_json: bool) -> None:
    """List signature objects that belong to no commit of a repo.

    Nothing reads them. vfs leaves none; others who can write to the store may.

    \b
    Example:
      vfs key strays photos
    """
    from vfs.repo.repos import repo_info
    from vfs.repo.signatures import strays

    library = call.library()
    repo_info(library, repo)
    found = strays(library, repo)
    for key in found if remove else ():
        library.store.delete(key)
    if as_json:
        output.array(found)
        return
    for key in found:
        output.line(key)


def _read(file: str) -> bytes:
    try:
        with open(sys.stdin.fileno() if file == "-" else os.fsencode(file), "rb", closefd=file != "-") as opened:
            data = opened.read(_INPUT_MAX + 1)
    except OSError as error:
        raise local_error(file, "read", error) from error
    if len(data) > _INPUT_MAX:
        raise UsageError(f"{file}: over {_INPUT_MAX} bytes, no key is that long")
    return data


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _json(held: HeldKey) -> dict[str, Any]:
    return {
        "key": held.key.id,
        "comment": held.key.comment,
        "private": held.private,
        "trusted": held.trusted,
        "line": held.key.line(),
    }
