"""The only reader of the environment. template.yaml sets every name below; a test holds the two together."""

import os
from collections.abc import Sequence
from datetime import time
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, PositiveInt, field_validator, model_validator

from nolapse.domain.retention import Retention
from nolapse.domain.senders import Capacity


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    database_host: str = Field(min_length=1)
    database_port: int = Field(ge=1, le=65535)
    database_name: str = Field(min_length=1)
    database_tls: Literal["verify", "off"]
    # Secrets Manager ids; each secret is JSON, {"username", "password"}, {"api_key"} or {"current", "keys"}.
    database_secret_id: str = Field(min_length=1)
    # By what vendors' webhooks are told from forgeries, by vendor.
    webhook_secret_id: str = Field(min_length=1)
    sendgrid_secret_id: str
    # Vendors of e-mail, the preferred first: graph, sendgrid, mailgun. An empty secret: not used.
    email_providers: str = Field(pattern=r"^(graph|sendgrid|mailgun)(,(graph|sendgrid|mailgun))*$")
    graph_secret_id: str
    graph_url: HttpUrl
    mailgun_secret_id: str
    mailgun_url: HttpUrl
    twilio_secret_id: str
    twilio_url: HttpUrl
    # Tenants' webhooks: what their secrets' names begin with, and whether their targets must be public addresses.
    webhook_secrets_prefix: str = Field(min_length=1)
    webhook_targets: Literal["public", "any"]
    # {"slack", "teams"}: URLs of operators' channels. Empty: operators read the log.
    ops_secret_id: str
    signing_secret_id: str = Field(min_length=1)
    sendgrid_url: HttpUrl
    email_queue_url: HttpUrl
    # URLs, with commas between them.
    dead_letter_queue_urls: str = Field(pattern=r"^https?://[^,\s]+(,https?://[^,\s]+)*$")
    # `appconfig`, or the path of a JSON file.
    flags_source: str = Field(pattern=r"^(appconfig|/.+)$")
    flags_application: str = Field(min_length=1)
    sender_email: str = Field(pattern=r"^[^@\s]+@[^@\s]+$")
    sender_name: str = Field(min_length=1)
    portal_url: HttpUrl
    # Where the API answers: what links in messages begin with, and how long they are good.
    public_url: HttpUrl
    link_days: PositiveInt
    horizon_months: PositiveInt
    lookback_days: PositiveInt
    # How long tables keep their rows, as domain/retention.py reads it.
    retention_days: str
    late_spacing_hours: PositiveInt
    late_per_tenant_hour: PositiveInt
    # Local times of the recipient; nobody is told anything in [quiet_from, quiet_until).
    quiet_from: time
    quiet_until: time
    # How many messages may lie between scan and the senders.
    scan_limit: PositiveInt
    lease_seconds: PositiveInt
    provider_timeout_seconds: PositiveInt
    # How many providers and channels one run may try after one another.
    tries_at_once: PositiveInt
    email_per_minute: PositiveInt
    sms_per_minute: PositiveInt
    whatsapp_per_minute: PositiveInt
    webhook_per_minute: PositiveInt
    per_tenant_minute: PositiveInt
    per_person_day: PositiveInt
    # Local times of the recipient: a text outside of them is against the law in places, which may be stricter still.
    sms_quiet_from: time
    sms_quiet_until: time

    # Whose access tokens the API takes, for which audiences (with commas between them), and where their keys are.
    oidc_issuer: str = Field(min_length=1)
    oidc_audience: str = Field(min_length=1)
    oidc_keys_url: HttpUrl
    # Origins whose browsers may read the API's answers, with commas between them; empty: none.
    cors_origins: str = Field(pattern=r"^(https?://[^,/\s*]+(,https?://[^,/\s*]+)*)?$")
    # Requests of one caller, and of a whole tenant.
    api_per_minute: PositiveInt
    api_per_tenant_minute: PositiveInt
    # Where the API lets registers be uploaded to.
    imports_bucket: str = Field(min_length=1)
    # A statement that takes longer is logged by its name.
    slow_query_ms: PositiveInt

    @classmethod
    def read(cls) -> Self:
        """Of the environment. All missing or wrong names are reported at once, as pydantic's ValidationError."""
        return cls.model_validate(
            {name: os.environ[name.upper()] for name in cls.model_fields if name.upper() in os.environ}
        )

    @field_validator("retention_days")
    @classmethod
    def every_table_has_its_days(cls, value: str) -> str:
        Retention.read(value)
        return value

    @property
    def retention(self) -> Retention:
        return Retention.read(self.retention_days)

    @property
    def email_order(self) -> Sequence[str]:
        return self.email_providers.split(",")

    @property
    def capacity(self) -> Capacity:
        # Scan runs every minute and lets no more than scan_limit messages lie ahead of the senders: none leave faster.
        paces = {
            "EMAIL": self.email_per_minute,
            "SMS": self.sms_per_minute,
            "WHATSAPP": self.whatsapp_per_minute,
            "WEBHOOK": self.webhook_per_minute,
        }
        texts = {"SMS": ["twilio-sms"], "WHATSAPP": ["twilio-whatsapp"]} if self.twilio_secret_id else {}
        return Capacity(
            {channel: min(self.scan_limit, pace) for channel, pace in paces.items()},
            {"EMAIL": self.email_order, **texts},
            self.per_tenant_minute,
        )

    @model_validator(mode="after")
    def every_vendor_has_its_secret(self) -> Self:
        secrets = {
            "graph": self.graph_secret_id,
            "sendgrid": self.sendgrid_secret_id,
            "mailgun": self.mailgun_secret_id,
        }
        missing = [f"{name}_secret_id" for name in self.email_order if not secrets[name]]
        if missing:
            raise ValueError(f"email_providers names vendors without a secret: set {', '.join(missing)}")
        return self
