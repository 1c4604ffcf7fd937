"""The composition root: what the handlers need, made once per execution environment and on first use only."""

import gc
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from sqlalchemy import Engine

from nolapse.domain.seals import KeyRing
from nolapse.runtime.clock import Clock, DatabaseClock
from nolapse.runtime.observability import logger, publish
from nolapse.runtime.secrets import AGE_IN_DOUBT, MadeOfSecrets, Secret, Secrets
from nolapse.runtime.settings import Settings
from nolapse.storage.engine import Credentials, create_engine
from nolapse.storage.meter import Meter, watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from nolapse.api.front import Front
    from nolapse.delivery.catch_up import LatePolicy
    from nolapse.delivery.compose import Sender
    from nolapse.delivery.dead_letters import DeadLetterQueue
    from nolapse.delivery.depths import Depth
    from nolapse.delivery.dispatch import DispatchRules
    from nolapse.delivery.flags import Flags
    from nolapse.delivery.outlets import Outlets
    from nolapse.delivery.queue import NotificationQueue
    from nolapse.delivery.webhook_secrets import WebhookSecrets
    from nolapse.domain.links import Links
    from nolapse.domain.messages import Notice
    from nolapse.providers.protocol import Provider
    from nolapse.runtime.webhooks import Webhooks


class Runtime:
    """Everything that does I/O, by name. `clock` is the database's unless a simulation brings its own."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self._clock = clock

    @property
    def clock(self) -> Clock:
        return self._clock or DatabaseClock(self.engine)

    def _wall_clock(self) -> datetime:
        """For what strangers compare with theirs: without a question to the database."""
        return self._clock.now() if self._clock else datetime.now(UTC)

    @cached_property
    def engine(self) -> Engine:
        """As the role whose secret the function was given: the engine's, or the API's."""

        def credentials() -> Credentials:
            from nolapse.runtime.secret_models import DatabaseSecret, read_as  # noqa: PLC0415  not while it is imported

            name = self.settings.database_secret_id
            said = read_as(DatabaseSecret, self.secrets.read(name), name)
            return Credentials(said.username, said.password)

        engine = create_engine(
            host=self.settings.database_host,
            port=self.settings.database_port,
            database=self.settings.database_name,
            verify_tls=self.settings.database_tls == "verify",
            credentials=credentials,
        )
        watch(engine, self.meter, slow_query, slow_seconds=self.settings.slow_query_ms / 1000)
        return engine

    @cached_property
    def meter(self) -> Meter:
        return Meter()

    def depths(self) -> "Sequence[Depth]":
        """Of the queue and of every dead-letter queue."""
        from nolapse.delivery.depths import depths  # noqa: PLC0415  only who is asked pays

        urls = [str(self.settings.email_queue_url), *self.settings.dead_letter_queue_urls.split(",")]
        return depths(self._impatient_sqs, urls)

    @cached_property
    def _impatient_sqs(self) -> "SQSClient":
        """For answers that somebody waits for: 4 seconds at most."""
        return boto3.client(
            "sqs", config=Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2})
        )

    @cached_property
    def api(self) -> "Front":
        from nolapse.runtime.http import make_api  # noqa: PLC0415  500 ms that only the API pays

        return make_api(self)

    @cached_property
    def email_queue(self) -> "NotificationQueue":
        from nolapse.delivery.queue import NotificationQueue  # noqa: PLC0415  only who asks the queue pays

        return NotificationQueue(
            boto3.client("sqs"), str(self.settings.email_queue_url), lambda: self.key_ring
        )

    @cached_property
    def dead_letter_queues(self) -> "list[DeadLetterQueue]":
        from nolapse.delivery.dead_letters import DeadLetterQueue  # noqa: PLC0415  only operations pays

        client, urls = boto3.client("sqs"), self.settings.dead_letter_queue_urls.split(",")
        return [DeadLetterQueue(client, url, lambda: self.key_ring) for url in urls]

    @cached_property
    def flags(self) -> "Flags":
        from nolapse.delivery.flags import FileStore, Flags, app_config_store  # noqa: PLC0415  only who asks flags pays

        source = self.settings.flags_source
        if source == "appconfig":
            return Flags(app_config_store(self.settings.flags_application), flags_unavailable)
        return Flags(FileStore(Path(source)), flags_unavailable)

    @MadeOfSecrets
    def key_ring(self, secret: Secret) -> KeyRing:
        from nolapse.runtime.secret_models import SigningSecret, made_of, read_as  # noqa: PLC0415  only who seals pays

        name = self.settings.signing_secret_id
        said = read_as(SigningSecret, secret(name), name)
        with made_of(name):
            return KeyRing(said.keys, said.current, self._newer_key_ring)

    def _newer_key_ring(self) -> KeyRing:
        self.secrets.read(self.settings.signing_secret_id, within=AGE_IN_DOUBT)
        return self.key_ring

    @cached_property
    def links(self) -> "Links":
        from nolapse.domain.links import Links  # noqa: PLC0415  only who writes or opens links pays

        return Links(
            base=str(self.settings.public_url).rstrip("/"),
            keys=lambda: self.key_ring,
            lasting=timedelta(days=self.settings.link_days),
        )

    @cached_property
    def s3(self) -> "S3Client":
        # Version 4: links signed by an older one are refused in newer regions, and where objects are encrypted by KMS.
        return boto3.client("s3", config=Config(signature_version="s3v4"))

    @MadeOfSecrets
    def outlets(self, secret: Secret) -> "Outlets":
        from nolapse.runtime.vendors import make_outlets  # noqa: PLC0415  SDKs that scan need not pay for

        return make_outlets(self.settings, secret, self._wall_clock)

    @MadeOfSecrets
    def ops(self, secret: Secret) -> "Sequence[Provider[Notice]]":
        from nolapse.runtime.vendors import make_ops  # noqa: PLC0415  only who tells operators pays

        return make_ops(self.settings, secret)

    @MadeOfSecrets
    def webhooks(self, secret: Secret) -> "Webhooks":
        from nolapse.runtime.secret_models import WebhookSecret, made_of, read_as  # noqa: PLC0415  as below
        from nolapse.runtime.webhooks import Webhooks  # noqa: PLC0415  twilio's SDK, which others need not pay for

        name = self.settings.webhook_secret_id
        keys = read_as(WebhookSecret, secret(name), name).model_dump(exclude_none=True)
        with made_of(name):
            return Webhooks(keys, str(self.settings.public_url).rstrip("/"), self._newer_webhooks)

    def _newer_webhooks(self) -> "Webhooks":
        self.secrets.read(self.settings.webhook_secret_id, within=AGE_IN_DOUBT)
        return self.webhooks

    @MadeOfSecrets
    def sender(self, secret: Secret) -> "Sender":
        from nolapse.delivery.compose import Sender  # noqa: PLC0415  jinja2, which scan need not pay for
        from nolapse.runtime.vendors import read_whatsapp  # noqa: PLC0415  the same

        whatsapp = read_whatsapp(self.settings, secret)
        return Sender(self.settings.sender_name, str(self.settings.portal_url), self.links, whatsapp)

    @cached_property
    def dispatch_rules(self) -> "DispatchRules":
        from nolapse.delivery.dispatch import DispatchRules  # noqa: PLC0415  the same
        from nolapse.domain.quiet_hours import Hours  # noqa: PLC0415  the same

        return DispatchRules(
            timeout=timedelta(seconds=self.settings.provider_timeout_seconds),
            tries=self.settings.tries_at_once,
            lease=timedelta(seconds=self.settings.lease_seconds),
            text_hours=Hours(opens=self.settings.sms_quiet_until, closes=self.settings.sms_quiet_from),
            per_person_day=self.settings.per_person_day,
            per_tenant_minute=self.settings.per_tenant_minute,
        )

    @cached_property
    def late_policy(self) -> "LatePolicy":
        from nolapse.delivery.catch_up import LatePolicy  # noqa: PLC0415  only catch_up pays

        return LatePolicy(
            lookback=timedelta(days=self.settings.lookback_days),
            spacing=timedelta(hours=self.settings.late_spacing_hours),
            per_tenant=self.settings.late_per_tenant_hour,
            quiet_from=self.settings.quiet_from,
            quiet_until=self.settings.quiet_until,
        )

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(boto3.client("secretsmanager"), self._wall_clock)

    @cached_property
    def webhook_secrets(self) -> "WebhookSecrets":
        from nolapse.delivery.webhook_secrets import WebhookSecrets  # noqa: PLC0415  only operators' commands change them

        return WebhookSecrets(boto3.client("secretsmanager"), self.settings.webhook_secrets_prefix)


def flags_unavailable(kind: str) -> None:
    """Reminders go by the last flags that were good: an alarm, not a stop."""
    logger().error("flags.unavailable", kind=kind)
    publish("flags", {"flags_unavailable": 1})


def slow_query(name: str, seconds: float) -> None:
    logger().warning("db.slow", statement=name, duration_ms=round(seconds * 1000))


_installed: list[Runtime] = []


def runtime() -> Runtime:
    """The one of this execution environment: made from the environment variables on first use."""
    if not _installed:
        install(Runtime(Settings.read()))
        _collect_garbage()
    return _installed[0]


def _collect_garbage() -> None:
    """From now on, where importing kept it waiting, and never among what was imported."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def install(made: Runtime) -> None:
    """Let the handlers use a runtime that was made elsewhere (a simulation's, with its own clock)."""
    _installed[:] = [made]
