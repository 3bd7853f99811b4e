"""Files in a bucket of any service that speaks the S3 protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from app.core.outside import Breaker, ProviderRefused, ProviderUnavailable, breaker
from app.providers.storage.base import (
    LARGEST_FILE,
    NAME,
    FileMissing,
    StorageFull,
    StoredFile,
    checked_file,
    key_in_scope,
)

T = TypeVar("T")

AT_ONCE = 16  # a page has many pictures
_NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
_FULL = frozenset(
    {"507", "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded"}
)
# What is wrong with this one request. All else (a bucket that is away, a login that is refused, a clock
# that is wrong) is for the operator to mend, and then works.
_REFUSED = frozenset(
    {"EntityTooLarge", "InvalidArgument", "InvalidRequest", "KeyTooLongError", "MetadataTooLarge"}
)


class S3Storage:
    """Keeps files in one bucket, which must exist and be closed to the public; see `StorageProvider`.

    Without `endpoint_url` it is Amazon's own service in `region`.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str,
        connect_timeout: float = 5.0,
        read_timeout: float = 10.0,
        guard: Breaker | None = None,
    ) -> None:
        given = {"S3_BUCKET": bucket, "S3_ACCESS_KEY": access_key, "S3_SECRET_KEY": secret_key}
        missing = [name for name, value in given.items() if not value]
        if missing:
            raise ValueError(f"{missing[0]} must be set where STORAGE_PROVIDER is s3")
        self._bucket = bucket
        self._guard = guard or breaker(NAME, at_once=AT_ONCE)
        # A session of our own: the library's default one reads files of the account we run under.
        self._client: Any = boto3.session.Session(
            aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name=region or "us-east-1"
        ).client(
            "s3",
            endpoint_url=endpoint_url or None,
            config=Config(
                connect_timeout=connect_timeout,
                read_timeout=read_timeout,
                retries={"total_max_attempts": 1},  # app.core.outside says why there are none
                max_pool_connections=32,
                s3={"addressing_style": "path" if endpoint_url else "auto"},
                # Amazon's newer checksums are unknown to many services.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def put(self, key: str, data: bytes, content_type: str) -> None:
        checked_file(data, content_type)
        where = self._where(key)
        self._call(lambda: self._client.put_object(**where, Body=data, ContentType=content_type))

    def get(self, key: str) -> StoredFile:
        where = self._where(key)
        return self._call(lambda: self._read(where))

    def delete(self, key: str) -> None:
        where = self._where(key)
        self._call(lambda: self._client.delete_object(**where))

    def exists(self, key: str) -> bool:
        where = self._where(key)
        try:
            self._call(lambda: self._client.head_object(**where))
        except FileMissing:
            return False
        return True

    def _read(self, where: dict[str, str]) -> StoredFile:
        answer = self._client.get_object(**where)
        with answer["Body"] as body:
            data: bytes = body.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise ProviderRefused(NAME, "the file is larger than any that we keep")
        if len(data) < answer["ContentLength"]:
            raise ProviderUnavailable(NAME, "the file broke off")
        return StoredFile(data, answer["ContentType"])

    def _where(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": key_in_scope(key)}

    def _call(self, work: Callable[[], T]) -> T:
        return self._guard.call(lambda: _translated(work))


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except ClientError as error:
        raise _refusal(error) from error
    except (BotoCoreError, HTTPError, OSError) as error:
        # The library's text may name the address; its kind is enough for an operator.
        raise ProviderUnavailable(NAME, type(error).__name__) from error


def _refusal(error: ClientError) -> ProviderUnavailable | ProviderRefused:
    said = error.response.get("Error", {})
    code = str(said.get("Code", ""))
    detail = f"{error.operation_name}: {code}"
    if code in _NOT_FOUND:
        return FileMissing(NAME, detail)
    if code in _FULL or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 507:
        return StorageFull(NAME, detail)
    return (ProviderRefused if code in _REFUSED else ProviderUnavailable)(NAME, detail)
