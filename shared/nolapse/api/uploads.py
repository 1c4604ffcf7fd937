"""Links by which a client puts a register into the bucket, or gets a file from it, without passing through the API.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3 import S3Client

LASTING = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Uploads:
    """`client` is asked for when a link is made, and not before."""

    client: "Callable[[], S3Client]"
    bucket: str

    def link(self, what: Literal["put_object", "get_object"], key: str) -> str:
        """Good for LASTING."""
        named = {"Bucket": self.bucket, "Key": key}
        return self.client().generate_presigned_url(
            what, Params=named, ExpiresIn=int(LASTING.total_seconds())
        )
