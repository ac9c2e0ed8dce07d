"""The keys of repos in a store. No other module spells one."""

from __future__ import annotations

from vfs.model.ids import Digest

REPOS = "repos/"
_INFO = "/repo.json"


def repo_prefix(repo: str) -> str:
    """The prefix of all keys of a repo."""
    return f"{REPOS}{repo}/"


def info_key(repo: str) -> str:
    """The object that makes a repo exist."""
    return f"{REPOS}{repo}{_INFO}"


def commits_prefix(repo: str) -> str:
    """The prefix of the commit objects of a repo."""
    return f"{REPOS}{repo}/commits/"


def commit_key(repo: str, id: Digest) -> str:
    """The object of one commit."""
    return commits_prefix(repo) + id.hex()


def signatures_prefix(repo: str) -> str:
    """The prefix of the signatures of all commits of a repo."""
    return f"{REPOS}{repo}/signatures/"


def signatures_of(repo: str, id: Digest) -> str:
    """The prefix of the signatures of one commit."""
    return f"{signatures_prefix(repo)}{id.hex()}/"


def signature_key(repo: str, id: Digest, key: str) -> str:
    """The object of the signature of one commit by the key of that id."""
    return signatures_of(repo, id) + key


def heads_prefix(repo: str) -> str:
    """The prefix of the branches of a repo."""
    return f"{REPOS}{repo}/heads/"


def tags_prefix(repo: str) -> str:
    """The prefix of the tags of a repo."""
    return f"{REPOS}{repo}/tags/"
