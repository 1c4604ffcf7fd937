"""The vendors that the settings name: every secret is read at once, every SDK when its vendor is first sent by."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from nolapse.delivery.outlets import Outlets
from nolapse.runtime.secrets import BadSecret
from nolapse.runtime.settings import Settings
from nolapse.runtime.vendors import make_ops, make_outlets
from tests.architecture.test_settings import COMPLETE, ROOT

SECRETS: Mapping[str, Mapping[str, Any]] = {
    "graph": {
        "authority": "https://login.test/t", "client_id": "us", "secret": "word", "mailboxes": ["desk@clinic.test"],
    },
    "sendgrid": {"api_key": "key"},
    "mailgun": {"api_key": "key", "domain": "clinic.test"},
    "twilio": {
        "account_sid": "AC1", "auth_token": "word", "senders": ["+15005550006"],
        "whatsapp": {
            "senders": ["+15005550007"],
            "contents": {"default": {"sid": f"HX{0:032x}", "text": "From {{1}}: {{2}}"}},
        },
    },
}  # fmt: skip
SETTINGS = {
    **{name.lower(): value for name, value in COMPLETE.items()},
    "email_providers": "graph,sendgrid,mailgun",
    **{f"{name}_secret_id": name for name in SECRETS},
}
SDKS = {"msal", "sendgrid", "twilio", "standardwebhooks"}
SEND_BY = """
import json, sys
from datetime import UTC, datetime
from nolapse.runtime.settings import Settings
from nolapse.runtime.vendors import make_outlets
settings, secrets = json.loads(sys.argv[1]), json.loads(sys.argv[2])
made = make_outlets(Settings.model_validate(settings), secrets.__getitem__, lambda: datetime.now(UTC))
made.plan(["EMAIL", "SMS", "WHATSAPP", "WEBHOOK"])
for way in sys.argv[3:]:
    made.find(*way.split(":"))
print(json.dumps(sorted(sys.modules)))
"""


def outlets(secrets: Mapping[str, Mapping[str, Any]] = SECRETS) -> Outlets:
    return make_outlets(Settings.model_validate(SETTINGS), secrets.__getitem__, lambda: datetime.now(UTC))


def test_an_outlet_goes_by_its_provider_s_own_name_and_is_made_once() -> None:
    made = outlets()

    ways = [(channel, name) for channel, names in made.by_channel.items() for name in names]
    assert len(ways) == 6
    for channel, name in ways:
        outlet = made.find(channel, name)
        assert (outlet.provider.name, bool(outlet.senders)) == (name, True)
        assert made.find(channel, name) is outlet
        assert made.provider(name) is outlet.provider


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_that_lacks_something_is_found_out_before_anything_is_sent(name: str) -> None:
    with pytest.raises(BadSecret, match=f"the secret {name} .* Field required"):
        outlets({**SECRETS, name: {}})


@pytest.mark.parametrize(
    ("name", "field", "wrong", "said"),
    [
        ("graph", "mailboxes", [], "mailboxes: List should have at least 1 item"),
        ("graph", "mailboxes", "desk@clinic.test", "mailboxes: Input should be a valid list"),
        ("graph", "mailboxes", ["desk"], "mailboxes.0: String should match pattern"),
        ("graph", "authority", "login.test", "authority: String should match pattern"),
        ("sendgrid", "api_key", " ", "api_key: String should have at least 1 character"),
        ("mailgun", "domain", ["clinic.test"], "domain: Input should be a valid string"),
        ("twilio", "senders", "+15005550006", "senders: Input should be a valid list"),
        ("twilio", "senders", [], "senders: List should have at least 1 item"),
        ("twilio", "whatsapp", "+15005550007", "whatsapp: Input should be a valid dictionary"),
        (
            "twilio",
            "whatsapp",
            {"senders": ["+15005550007"], "contents": {}},
            "whatsapp.contents: .*'default' is missing",
        ),
    ],
)
def test_what_a_secret_says_wrong_is_named_and_not_shown(
    name: str, field: str, wrong: Any, said: str
) -> None:
    with pytest.raises(BadSecret, match=f"the secret {name} .*Settings, has it: {said}") as refused:
        outlets({**SECRETS, name: {**SECRETS[name], field: wrong}})

    assert "clinic.test" not in str(refused.value)


def test_line_ends_of_files_are_left_out() -> None:
    made = outlets({**SECRETS, "twilio": {**SECRETS["twilio"], "senders": ["+15005550006\n"]}})

    assert made.find("SMS", "twilio-sms").senders == ["+15005550006"]


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ({}, []),
        ({"slack": "", "teams": None}, []),
        ({"slack": "https://slack.test/a", "note": "ask Grace"}, ["slack"]),
        ({"teams": "https://teams.test/a", "slack": "https://slack.test/a"}, ["slack", "teams"]),
    ],
)
def test_operators_channels_are_those_that_have_a_url(said: Mapping[str, Any], names: list[str]) -> None:
    made = make_ops(Settings.model_validate({**SETTINGS, "ops_secret_id": "ops"}), {"ops": said}.__getitem__)

    assert [each.name for each in made] == names


def test_an_operators_channel_that_is_no_url() -> None:
    settings = Settings.model_validate({**SETTINGS, "ops_secret_id": "ops"})

    with pytest.raises(BadSecret, match=r"the secret ops .*slack"):
        make_ops(settings, {"ops": {"slack": "#alerts"}}.__getitem__)


@pytest.mark.parametrize(
    ("ways", "loaded"),
    [
        ([], set()),
        (["EMAIL:sendgrid"], {"sendgrid"}),
        (["EMAIL:graph"], {"msal"}),
        (["SMS:twilio-sms"], {"twilio"}),
        (["WEBHOOK:tenant-webhook"], {"standardwebhooks"}),
    ],
)
def test_only_who_is_sent_by_is_loaded(ways: list[str], loaded: set[str]) -> None:
    process = subprocess.run(
        [sys.executable, "-B", "-c", SEND_BY, json.dumps(SETTINGS), json.dumps(SECRETS), *ways],
        env={"PYTHONPATH": str(ROOT / "shared")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(json.loads(process.stdout)) & SDKS == loaded
