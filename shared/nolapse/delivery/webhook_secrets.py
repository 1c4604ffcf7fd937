"""What tenants' webhooks are signed with: made, changed and removed by operators, in Secrets Manager alone.

Keys have the form of Standard Webhooks, `whsec_` and base64 of 24 to 64 bytes, the newest first; while two are there
each signs. https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
"""

import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import Connection, text

from nolapse.delivery.by_hand import audit
from nolapse.domain.errors import NolapseError

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PREFIX = "whsec_"
BYTES = 32
FEWEST_BYTES, MOST_BYTES = 24, 64
# The new one, and the one before until its tenant has changed over.
MOST_KEYS = 2
# The API's lock of a tenant and its webhook: two who rotate at once would lose one's key.
LOCK = text(
    "SELECT tenant_id, pg_advisory_xact_lock(hashtext('tenant ' || tenant_id)) FROM tenants WHERE slug = :tenant"
)


class NoTenant(NolapseError):
    """No tenant has that slug."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"{tenant!r} is no tenant: tenants go by their slug")


class NotAKey(NolapseError):
    """A key is whsec_ and base64 of 24 to 64 bytes."""

    def __init__(self) -> None:
        super().__init__(f"a key is {PREFIX} and base64 of {FEWEST_BYTES} to {MOST_BYTES} bytes")


class NoKey(NolapseError):
    """The tenant's webhook has no secret."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"the webhook of {tenant!r} has no secret: rotate makes one")


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """`prefix` and a tenant's id are its secret's name."""

    client: "SecretsManagerClient"
    prefix: str

    def rotate(self, connection: Connection, tenant: str, *, who: str, now: datetime) -> str:
        """A new key in front of the newest; returns it, which nothing does again. Raises NoTenant."""
        made = PREFIX + b64encode(secrets.token_bytes(BYTES)).decode()
        self._change(connection, tenant, lambda keys: [made, *keys], "rotated", who=who, now=now)
        return made

    def set(self, connection: Connection, tenant: str, key: str, *, who: str, now: datetime) -> None:
        """The tenant's own key in front of the newest. Raises NoTenant and NotAKey."""
        if not _is_key(key):
            raise NotAKey
        self._change(
            connection,
            tenant,
            lambda keys: [key, *(old for old in keys if old != key)],
            "set",
            who=who,
            now=now,
        )

    def retire(self, connection: Connection, tenant: str, *, who: str, now: datetime) -> int:
        """Only the newest key stays; returns how many went. Raises NoTenant and NoKey."""

        def newest(keys: Sequence[str]) -> Sequence[str]:
            if not keys:
                raise NoKey(tenant)
            return keys[:1]

        return self._change(connection, tenant, newest, "retired", who=who, now=now) - 1

    def remove(self, connection: Connection, tenant: str, *, who: str, now: datetime) -> None:
        """No key stays: events wait, as if the endpoint were down. Raises NoTenant and NoKey."""
        tenant_id = _locked(connection, tenant)
        if self._keys(tenant_id) is None:
            raise NoKey(tenant)
        # At once: a name that waits to be deleted could not be used again.
        self.client.delete_secret(SecretId=self._name(tenant_id), ForceDeleteWithoutRecovery=True)
        audit(connection, "webhook.secret_removed", {f"tenant:{tenant_id}": tenant_id}, who, now)

    def _change(
        self,
        connection: Connection,
        tenant: str,
        change: Callable[[Sequence[str]], Sequence[str]],
        action: str,
        *,
        who: str,
        now: datetime,
    ) -> int:
        """Returns how many keys there were."""
        tenant_id = _locked(connection, tenant)
        keys = self._keys(tenant_id)
        content = json.dumps({"keys": list(change(keys or ()))[:MOST_KEYS]})
        if keys is None:
            self.client.create_secret(Name=self._name(tenant_id), SecretString=content)
        else:
            self.client.put_secret_value(SecretId=self._name(tenant_id), SecretString=content)
        # Last: whoever holds the audit's lock must not wait for AWS.
        audit(connection, f"webhook.secret_{action}", {f"tenant:{tenant_id}": tenant_id}, who, now)
        return len(keys or ())

    def _keys(self, tenant_id: UUID) -> Sequence[str] | None:
        """None: the secret is not there."""
        try:
            found = self.client.get_secret_value(SecretId=self._name(tenant_id))
        except self.client.exceptions.ResourceNotFoundException:
            return None
        keys: Sequence[str] = json.loads(found["SecretString"])["keys"]
        return keys

    def _name(self, tenant_id: UUID) -> str:
        return f"{self.prefix}{tenant_id}"


def _locked(connection: Connection, tenant: str) -> UUID:
    found = connection.execute(LOCK, {"tenant": tenant}).one_or_none()
    if found is None:
        raise NoTenant(tenant)
    tenant_id: UUID = found.tenant_id
    return tenant_id


def _is_key(text: str) -> bool:
    try:
        secret = b64decode(text.removeprefix(PREFIX), validate=True)
    except ValueError:
        return False
    return text.startswith(PREFIX) and FEWEST_BYTES <= len(secret) <= MOST_BYTES
