"""Keys that operators change while functions run: in force within minutes, without a deploy and with nothing lost."""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError

from local.clock import VirtualClock
from local.doubles.faults import FaultQueue
from local.doubles.webhooks import MailgunWebhook
from nolapse.delivery.scan import scan
from nolapse.domain.errors import InvalidSignature
from nolapse.domain.links import ACKNOWLEDGE, NotificationLink
from nolapse.domain.seals import BrokenSeal
from nolapse.runtime.bootstrap import Runtime, runtime
from nolapse.runtime.secrets import AGE, AGE_IN_DOUBT, BadSecret, NoSecret, Secrets
from nolapse.runtime.webhooks import Webhook
from tests.integration.conftest import Register
from tests.integration.delivery.conftest import OPENS, Delivery, delivering
from tests.integration.delivery.test_channels import NUMBER, Channels, channels
from tests.integration.delivery.test_dead_letters import put
from tests.integration.delivery.test_receipts import Vendors, vendors

__all__ = ["channels", "vendors"]

# Longer than a secret is trusted, and than it is where somebody names a key that it did not say.
LATER, SOON = timedelta(minutes=6), timedelta(seconds=11)
NEW = "2026-11"


def said(secret_id: str) -> dict[str, Any]:
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=secret_id)
    found: dict[str, Any] = json.loads(answer["SecretString"])
    return found


def say(secret_id: str, says: Mapping[str, Any]) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=secret_id, SecretString=json.dumps(says))


def put_key(*, keep: bool = True) -> None:
    """A new key that seals, beside the old one or in its place."""
    signing = runtime().settings.signing_secret_id
    keys = said(signing)["keys"] if keep else {}
    say(signing, {"current": NEW, "keys": {**keys, NEW: "n" * 40}})


def link_of(delivery: Delivery) -> NotificationLink:
    ((tenant, key, at),) = delivery.register.rows(
        "SELECT tenant_id, idempotency_key, scheduled_at FROM notification_schedule WHERE event = 'SECONDARY'"
    )
    return NotificationLink(tenant, bytes(key), at, OPENS)


class TestSigningKeys:
    def test_the_new_one_seals_within_minutes(self, delivery: Delivery) -> None:
        delivery.due(1)
        delivery.scan(OPENS)
        (before,) = delivery.bodies()
        put_key()
        delivery.due(1, "other")

        delivery.scan(OPENS + LATER)

        (after,) = set(delivery.bodies()) - {before}
        assert (before.split(".")[0], after.split(".")[0]) == ("local", NEW)
        delivery.dispatch()
        assert delivery.statuses() == {"SENT": 2}

    def test_a_dispatcher_opens_what_was_sealed_by_one_that_it_has_not_read(self, delivery: Delivery) -> None:
        delivery.due(1)
        delivery.clock.move_to(OPENS)
        assert runtime().key_ring.current == "local"
        put_key()
        delivery.clock.move_to(OPENS + SOON)
        made, informed = runtime(), Runtime(runtime().settings, delivery.clock)
        scan(made.engine, informed.email_queue, made.flags, now=OPENS, limit=100, correlation_id="scan")
        (body,) = delivery.bodies()
        assert body.startswith(f"{NEW}.")

        delivery.dispatch()

        assert delivery.statuses() == {"SENT": 1}

    def test_dead_letters_of_the_new_one_are_no_forgeries(self, delivery: Delivery) -> None:
        (queue,) = (each for each in runtime().dead_letter_queues if each.name == "nolapse-local-email-dlq")
        delivery.clock.move_to(OPENS)
        put(delivery, "forged", queue="EmailDlq")
        assert [letter.about for (letter,) in queue.batches(1, OPENS)] == [None]
        put_key()
        delivery.clock.move_to(OPENS + SOON)
        row = {"key": "5f" * 32, "scheduled_at": OPENS.isoformat()}
        informed = Runtime(runtime().settings, delivery.clock)
        put(delivery, informed.key_ring.seal("queue", {"notifications": [row]}), queue="EmailDlq")

        ((letter,),) = queue.batches(1, OPENS)

        assert letter.about is not None

    def test_one_that_was_taken_out_opens_no_link(self, delivery: Delivery) -> None:
        delivery.due(1)
        delivery.clock.move_to(OPENS)
        links, link = runtime().links, link_of(delivery)
        sealed = links.seal(ACKNOWLEDGE, link)
        assert links.open_notification(ACKNOWLEDGE, sealed, OPENS) == link
        put_key(keep=False)

        delivery.clock.move_to(OPENS + LATER)

        with pytest.raises(BrokenSeal):
            links.open_notification(ACKNOWLEDGE, sealed, OPENS + LATER)
        assert links.seal(ACKNOWLEDGE, link).startswith(f"{NEW}.")


class TestVendorsKeys:
    def test_a_key_that_is_put_right_is_used_within_minutes(self, channels: Channels) -> None:
        channels.due("SMS")
        channels.reachable(phone=NUMBER)
        twilio = runtime().settings.twilio_secret_id
        right = said(twilio)
        say(twilio, {**right, "auth_token": "revoked"})
        channels.delivery.send(OPENS)
        assert channels.delivery.statuses() == {"PENDING": 1}
        say(twilio, right)

        channels.delivery.send(OPENS + LATER)

        assert channels.delivery.statuses() == {"SENT": 1}

    def test_what_says_the_same_is_made_once(self, delivery: Delivery) -> None:
        delivery.clock.move_to(OPENS)
        made, ring = runtime().outlets, runtime().key_ring
        say(runtime().settings.sendgrid_secret_id, said(runtime().settings.sendgrid_secret_id))

        delivery.clock.move_to(OPENS + LATER)

        assert (runtime().outlets is made, runtime().key_ring is ring) == (True, True)

    def test_what_whatsapp_approved_since_is_said(self, channels: Channels) -> None:
        channels.delivery.clock.move_to(OPENS)
        twilio = runtime().settings.twilio_secret_id
        assert runtime().sender.whatsapp is not None
        assert set(runtime().outlets.by_channel) == {"EMAIL", "WEBHOOK", "SMS", "WHATSAPP"}
        say(twilio, {name: value for name, value in said(twilio).items() if name != "whatsapp"})

        channels.delivery.clock.move_to(OPENS + LATER)

        assert runtime().sender.whatsapp is None
        assert set(runtime().outlets.by_channel) == {"EMAIL", "WEBHOOK", "SMS"}


@pytest.fixture
def told(register: Register, tmp_path: Path) -> Iterator[Delivery]:
    ops = {"slack": FaultQueue(), "teams": FaultQueue()}
    with delivering(register, tmp_path / "mail.sqlite", ops=ops) as delivery:
        yield delivery


def test_operators_are_told_in_the_channels_of_now(told: Delivery) -> None:
    told.clock.move_to(OPENS)
    assert [each.name for each in runtime().ops] == ["slack", "teams"]
    ops = runtime().settings.ops_secret_id
    say(ops, {"teams": said(ops)["teams"]})

    told.clock.move_to(OPENS + LATER)

    assert [each.name for each in runtime().ops] == ["teams"]


class TestReceipts:
    def test_one_signed_by_a_key_that_was_changed_since(self, vendors: Vendors) -> None:
        vendors.due()
        vendors.delivery.send(OPENS)
        running, email = vendors.delivery.running, vendors.delivery.mail[0]
        webhooks = running.receipts.webhooks
        assert running.receipts.tell(webhooks.mailgun.call(email, "delivered", OPENS)) == 200
        changed = MailgunWebhook("changed")
        say(runtime().settings.webhook_secret_id, {**webhooks.keys, "mailgun": "changed"})
        now = OPENS + SOON
        vendors.delivery.clock.move_to(now)

        assert running.receipts.tell(changed.call(email, "opened", now)) == 200
        assert running.receipts.tell(webhooks.mailgun.call(email, "clicked", now)) == 406
        assert vendors.sendgrid("delivered") == 200

    def test_a_vendor_that_was_added_since(self, vendors: Vendors) -> None:
        vendors.delivery.clock.move_to(OPENS)
        webhook, secret = vendors.delivery.running.receipts.webhooks, runtime().settings.webhook_secret_id
        say(secret, {"sendgrid": webhook.keys["sendgrid"]})
        assert vendors.answer("STOP") == 401
        say(secret, webhook.keys)
        vendors.delivery.clock.move_to(OPENS + SOON)

        assert vendors.answer("STOP") == 200


class TestWhatOneMustSay:
    """Ours and the webhooks'; those of vendors are in tests/unit/test_vendors.py."""

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"current": "local", "key": {"local": "w" * 40}}, "keys: Field required"),
            ({"current": "local", "keys": "w" * 40}, "keys: Input should be a valid dictionary"),
            ({"current": "local", "keys": {"local": 7}}, "keys.local: Input should be a valid string"),
            ({"keys": {"local": "w" * 40}}, "current: Field required"),
            ({"current": "w" * 40, "keys": {"local": "w" * 40}}, "current is not among the keys"),
            ({"current": "local", "keys": {"local": "www"}}, "keys of fewer than 32 bytes: local"),
        ],
    )
    def test_the_signing_keys(self, delivery: Delivery, wrong: Mapping[str, Any], problem: str) -> None:
        made = Runtime(runtime().settings, delivery.clock)
        say(made.settings.signing_secret_id, wrong)

        refused_for(made.settings.signing_secret_id, problem, lambda: made.key_ring)

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"user": "nolapse_engine", "password": "www"}, "username: Field required"),
            (
                {"username": "nolapse_engine", "password": ""},
                "password: String should have at least 1 character",
            ),
        ],
    )
    def test_the_database_s(self, delivery: Delivery, wrong: Mapping[str, Any], problem: str) -> None:
        made = Runtime(runtime().settings, delivery.clock)
        say(made.settings.database_secret_id, wrong)

        refused_for(made.settings.database_secret_id, problem, made.engine.connect)

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"mailgun": ["www"]}, "mailgun: Input should be a valid string"),
            ({"twilio": " "}, "twilio: String should have at least 1 character"),
            ({"sendgird": "www"}, "sendgird: Extra inputs are not permitted"),
            ({"sendgrid": "www"}, "sendgrid's verification key is no public key of ECDSA in base64"),
            ({"sendgrid": "d3d3"}, "sendgrid's verification key is no public key of ECDSA in base64"),
        ],
    )
    def test_the_webhooks(self, delivery: Delivery, wrong: Mapping[str, Any], problem: str) -> None:
        made = Runtime(runtime().settings, delivery.clock)
        say(made.settings.webhook_secret_id, wrong)

        refused_for(made.settings.webhook_secret_id, problem, lambda: made.webhooks)


def refused_for(secret_id: str, problem: str, use: Callable[[], object]) -> None:
    """Named and not shown."""
    with pytest.raises(BadSecret) as refused:
        use()
    assert str(refused.value) == (
        f"the secret {secret_id} is not as docs/architecture.md, Settings, has it: {problem}"
    )
    assert "www" not in "".join(traceback.format_exception(refused.value))


@dataclass
class Store:
    """One secret, and how often it was asked for."""

    secrets: Secrets
    clock: VirtualClock
    client: Any
    asked: int = 0
    reachable: bool = True

    def read(self, within: timedelta = AGE) -> Mapping[str, Any]:
        return self.secrets.read("word", within=within)

    def pass_by(self, time: timedelta) -> None:
        self.clock.move_to(self.clock.now() + time)

    def count(self, **_: Any) -> None:
        self.asked += 1
        if not self.reachable:
            raise EndpointConnectionError(endpoint_url="secretsmanager")


@pytest.fixture
def store(delivery: Delivery) -> Store:
    client = boto3.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))
    client.create_secret(Name="word", SecretString='{"key": "first"}')
    made = Store(Secrets(client, delivery.clock.now), delivery.clock, client)
    client.meta.events.register("before-send.secrets-manager.GetSecretValue", made.count)
    return made


class TestTheStore:
    def test_it_is_asked_when_what_it_said_is_old(self, store: Store) -> None:
        for _ in range(3):
            store.read()
            store.pass_by(AGE / 3 - timedelta(seconds=1))
        assert store.asked == 1
        say("word", {"key": "second"})
        assert store.read() == {"key": "first"}

        store.pass_by(timedelta(seconds=5))

        assert (store.read(), store.asked) == ({"key": "second"}, 2)

    def test_doubts_make_it_be_asked_now_and_then(self, store: Store) -> None:
        store.read()
        for _ in range(100):
            store.read(AGE_IN_DOUBT)
        assert store.asked == 1

        store.pass_by(AGE_IN_DOUBT)
        for _ in range(100):
            store.read(AGE_IN_DOUBT)

        assert store.asked == 2

    def test_forgeries_do_not_make_it_be_asked_for_each(self, delivery: Delivery) -> None:
        """Of a stranger, by links and by receipts."""
        made, asked = Runtime(runtime().settings, delivery.clock), list[str]()
        made.secrets._client.meta.events.register(
            "provide-client-params.secrets-manager.GetSecretValue",
            lambda params, **_: asked.append(params["SecretId"]),
        )
        for _ in range(20):
            with pytest.raises(BrokenSeal):
                made.links.open_notification(ACKNOWLEDGE, "nobody.e30.e30", OPENS)
            with pytest.raises(InvalidSignature):
                made.webhooks.receipts(Webhook("mailgun", "", {}, b"{}"), OPENS)

        assert asked == [made.settings.signing_secret_id, made.settings.webhook_secret_id]

    def test_what_is_known_goes_on_while_it_cannot_be_asked(
        self, store: Store, caplog: pytest.LogCaptureFixture
    ) -> None:
        store.read()
        store.reachable = False
        store.pass_by(AGE)
        for _ in range(10):
            assert store.read() == {"key": "first"}
        assert store.asked == 2
        (line,) = (vars(record) for record in caplog.records)
        assert [line[name] for name in ("message", "which", "kind")] == [
            "secret.unavailable",
            "word",
            "EndpointConnectionError",
        ]

        store.reachable = True
        store.pass_by(AGE)
        say("word", {"key": "second"})

        assert store.read() == {"key": "second"}

    def test_what_is_not_known_is_not_made_up(self, store: Store) -> None:
        store.reachable = False

        with pytest.raises(NoSecret, match="the secret word cannot be read: EndpointConnectionError"):
            store.read()

    @pytest.mark.parametrize("at_once", [True, False])
    def test_what_was_deleted_is_not_there_any_more(self, store: Store, at_once: bool) -> None:
        store.read()
        store.client.delete_secret(
            SecretId="word", **({"ForceDeleteWithoutRecovery": True} if at_once else {})
        )
        store.pass_by(AGE)

        with pytest.raises(NoSecret, match="the secret word cannot be read"):
            store.read()

    @pytest.mark.parametrize(
        ("text", "problem"),
        [("whsec_d29yZA==", "it is no JSON"), ('["whsec_d29yZA=="]', "it is no JSON object")],
    )
    def test_what_is_no_object_is_named_and_not_shown(self, store: Store, text: str, problem: str) -> None:
        store.client.put_secret_value(SecretId="word", SecretString=text)

        with pytest.raises(BadSecret, match=f"the secret word .*: {problem}$") as refused:
            store.read()

        assert "d29yZA" not in "".join(traceback.format_exception(refused.value))

    def test_threads_that_come_together_ask_once(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            said = list(pool.map(lambda _: store.read(), range(64)))

        assert (said, store.asked) == ([{"key": "first"}] * 64, 1)
