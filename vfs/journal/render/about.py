"""What an export says beside the graph: which store it is from, and what is known of signatures."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_NAMESPACE = "vfs"


@dataclass(frozen=True)
class About:
    """`store` is a URL without user, password and query, "" when not known; `namespace` that of OpenLineage jobs.

    `signatures` are lines for people, one a signature; None when nobody looked for any.
    """

    store: str = ""
    namespace: str = DEFAULT_NAMESPACE
    signatures: tuple[str, ...] | None = None


def about_store(store: str, *, signatures: tuple[str, ...] | None = None) -> About:
    """What is known of a store, by its URL or path; the namespace is `OPENLINEAGE_NAMESPACE`, or `vfs`."""
    namespace = os.environ.get("OPENLINEAGE_NAMESPACE", "") or DEFAULT_NAMESPACE
    return About(_public(store), namespace, signatures)


def _public(store: str) -> str:
    """`store` with nothing in it that could be a secret, and no character that a URL does not have."""
    url = store if "://" in store else f"file://{os.path.abspath(store)}"
    if url.startswith("file://"):
        # A directory may be called so; a path has no query.
        url = url.replace("?", "%3F").replace("#", "%23")
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return re.sub(r"[^\x21-\x7e]", _quoted, f"{parts.scheme}://{place}{parts.path}".rstrip("/"))


def _quoted(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogateescape"))
