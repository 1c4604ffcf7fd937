"""Where registers come in and what they rejected goes out, by key in the bucket: incoming/TENANT/IMPORT_ID/FILE.

TENANT is a slug or an id; IMPORT_ID stands there where the API was asked for the upload, and names its job.
"""

from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

# The bucket's lifecycle rule (template.yaml) ends registers and what became of them.
KEPT = timedelta(days=90)


class Upload(NamedTuple):
    """`name` is what lies below the tenant's folder."""

    tenant: str
    name: str

    @classmethod
    def of(cls, tenant_id: UUID, import_id: UUID, file_name: str) -> "Upload":
        return cls(str(tenant_id), f"{import_id}/{file_name}")

    @classmethod
    def at(cls, key: str) -> "Upload":
        _incoming, tenant, name = key.split("/", 2)
        return cls(tenant, name)

    @property
    def import_id(self) -> UUID | None:
        first, _, rest = self.name.partition("/")
        try:
            return UUID(first) if rest else None
        except ValueError:
            return None

    @property
    def file_name(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def incoming(self) -> str:
        return f"incoming/{self.tenant}/{self.name}"

    @property
    def rejects(self) -> str:
        return f"rejects/{self.tenant}/{self.name}.csv"

    @property
    def refusal(self) -> str:
        return f"rejects/{self.tenant}/{self.name}.refused.txt"
