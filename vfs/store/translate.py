"""From errors of local files to the errors of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vfs.errors import Busy, LocalDenied, LocalFull, LocalIOError, StoreDenied, StoreError, StoreFull, StoreTimeout
from vfs.files.translate import DENIED, FULL, cause_of


@contextmanager
def translating(url: str, key: str, doing: str) -> Iterator[None]:
    """Errors of local calls inside the block as store errors; `doing` completes "cannot be …"."""
    subject = f"{url}: {key}" if key else url
    try:
        yield
    except OSError as error:
        raise _class_of(error)(f"{subject}: cannot be {doing}: {cause_of(error)}") from error
    except LocalDenied as error:
        raise StoreDenied(f"{subject}: cannot be {doing}: {_cause(error)}") from error
    except LocalFull as error:
        raise StoreFull(f"{subject}: cannot be {doing}: {_cause(error)}") from error
    except LocalIOError as error:
        raise StoreError(f"{subject}: cannot be {doing}: {_cause(error)}") from error
    except Busy as error:
        raise StoreTimeout(f"{subject}: cannot be {doing}: the lock of the store is taken: {_cause(error)}") from error


def _class_of(error: OSError) -> type[StoreError]:
    if error.errno in DENIED:
        return StoreDenied
    return StoreFull if error.errno in FULL else StoreError


def _cause(error: Exception) -> str:
    return str(error).rpartition(": ")[2]
