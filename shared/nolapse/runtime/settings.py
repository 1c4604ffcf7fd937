"""The only reader of the environment. template.yaml sets every name below; a test holds the two together."""

from datetime import time
from typing import Literal

from pydantic import Field, HttpUrl, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All missing or wrong names are reported at once, as pydantic's ValidationError."""

    model_config = SettingsConfigDict(frozen=True, hide_input_in_errors=True)

    database_host: str = Field(min_length=1)
    database_port: int = Field(ge=1, le=65535)
    database_name: str = Field(min_length=1)
    database_tls: Literal["verify", "off"]
    # Secrets Manager ids; each secret is JSON, {"username", "password"}, {"api_key"} or {"current", "keys"}.
    database_secret_id: str = Field(min_length=1)
    sendgrid_secret_id: str = Field(min_length=1)
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
    horizon_months: PositiveInt
    lookback_days: PositiveInt
    late_spacing_hours: PositiveInt
    late_per_tenant_hour: PositiveInt
    # Local times of the recipient; nobody is told anything in [quiet_from, quiet_until).
    quiet_from: time
    quiet_until: time
    # How many messages may lie between scan and the senders.
    scan_limit: PositiveInt
    lease_seconds: PositiveInt
    provider_timeout_seconds: PositiveInt
