"""One way to reach an S3 service: a boto3 client, and the credentials that it signs with.

Credentials come from boto3's ordinary chain. They are held by boto3 alone; nothing here keeps, prints or
stores them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import botocore.exceptions as be
from botocore import UNSIGNED
from botocore.config import Config

from vfs import __version__
from vfs.config.settings import S3Settings
from vfs.errors import ConfigError, StoreDenied
from vfs.store.s3_failures import one_line
from vfs.store.s3_params import added_params
from vfs.store.s3_reader import Timeouts

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

# More than the threads of one process that read and write at a time.
CONNECTIONS = 64
# Seconds between two looks at whether the credentials are others by now.
_LOOK_AGAIN = 5.0


class Session:
    """A client for one bucket. Thread-safe as boto3 clients are; `_lock` guards when `identity` was last found out."""

    def __init__(self, bucket: str, s3: S3Settings, timeouts: Timeouts) -> None:
        """ConfigError when the settings make no client, StoreDenied when credentials cannot be got."""
        self.made = time.monotonic()
        self._lock = threading.Lock()
        self._looked, self._identity = float("-inf"), ""
        self._credentials: Credentials | None = None
        try:
            session = boto3.session.Session(region_name=s3.region or None, profile_name=s3.profile or None)
            region = session.region_name or ("us-east-1" if s3.endpoint else None)
            if not s3.anonymous:
                self._credentials = _credentials(session, bucket)
            self.client: S3Client = session.client(
                "s3", endpoint_url=s3.endpoint or None, region_name=region, config=_config(s3, timeouts)
            )
        except (ValueError, be.BotoCoreError) as error:
            raise ConfigError(f"s3://{bucket}: the client cannot be set up: {one_line(error)}") from error
        self.client.meta.events.register("provide-client-params.s3", _adding(s3))

    def identity(self) -> str:
        """Differs once the credentials do, which are refreshed here when it is time; looked at every few seconds."""
        with self._lock:
            now = time.monotonic()
            if self._credentials is not None and now - self._looked >= _LOOK_AGAIN:
                try:
                    frozen = self._credentials.get_frozen_credentials()
                except (OSError, ValueError) as error:
                    raise be.CredentialRetrievalError(provider="refresh", error_msg=str(error)) from error
                self._identity, self._looked = f"{frozen.access_key} {frozen.token}", now
            return self._identity


def _credentials(session: boto3.session.Session, bucket: str) -> Credentials | None:
    # A program that is to print them may be missing (OSError) or print something else (ValueError).
    try:
        return session.get_credentials()
    except be.ProfileNotFound:
        raise
    except (OSError, ValueError, be.BotoCoreError) as error:
        raise StoreDenied(f"s3://{bucket}: no credentials: {one_line(error)}") from error


def _adding(s3: S3Settings) -> Callable[..., None]:
    def add(params: dict[str, object], model: OperationModel, **_: object) -> None:
        params.update(added_params(s3, model.input_shape.members if model.input_shape else ()))

    return add


def _config(s3: S3Settings, timeouts: Timeouts) -> Config:
    # A bucket as host name needs DNS that only the large services have.
    style: Any = "path" if s3.addressing == "auto" and s3.endpoint else s3.addressing
    return Config(
        connect_timeout=timeouts.connect,
        read_timeout=timeouts.read,
        # We repeat within a deadline ourselves, and must know when an attempt was not the first.
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        tcp_keepalive=True,
        # Trailing checksums are newer than many services; what we read is checked against digests.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        user_agent_extra=f"vfs/{__version__}",
        s3={"addressing_style": style},
        signature_version=UNSIGNED if s3.anonymous else "s3v4",
    )
