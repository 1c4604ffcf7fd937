"""The double refuses what Twilio refuses and lists as Twilio lists: otherwise the contract proves little."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.doubles.twilio import TwilioDouble
from local.doubles.twilio_messages import magic_number
from tests.contract.conftest import Clock
from tests.contract.messages.conftest import ACCOUNT, SECRETS, TEMPLATE, twilio_double

MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages"
SMS = {"To": "+12125550134", "From": "+12015550199", "Body": "text"}
WHATSAPP = {
    "To": "whatsapp:+12125550134",
    "From": "whatsapp:+12015550199",
    "ContentSid": TEMPLATE,
    "ContentVariables": '{"1": "text"}',
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def double(tmp_path: Path, clock: Clock) -> Iterator[TwilioDouble]:
    with twilio_double(tmp_path / "double.sqlite", clock) as double:
        yield double


@pytest.fixture
def client(double: TwilioDouble) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=double.url, auth=(ACCOUNT, SECRETS["twilio-sms"]), trust_env=False) as client:
        yield client


def create(client: httpx.Client, form: dict[str, str]) -> Any:
    return client.post(f"{MESSAGES}.json", data=form).json()


def listed(client: httpx.Client, **query: str) -> list[str]:
    return [message["body"] for message in client.get(f"{MESSAGES}.json", params=query).json()["messages"]]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({**SMS, "To": ""}, 21604),
        ({**SMS, "To": "hello"}, 21211),
        ({**SMS, "From": ""}, 21603),
        ({**SMS, "From": "+1 201 555"}, 21212),
        ({**SMS, "From": "", "MessagingServiceSid": "MG1"}, 21705),
        ({**SMS, "From": "whatsapp:+12015550199"}, 21910),
        ({**SMS, "Body": ""}, 21602),
        ({**SMS, "Body": "x" * 1601}, 21617),
        ({**SMS, "StatusCallback": "nolapse.example"}, 21609),
        ({**SMS, "To": magic_number(21610)}, 21610),
        ({**WHATSAPP, "From": "+12015550199"}, 21910),
        ({**WHATSAPP, "ContentSid": "HX1"}, 21655),
        ({**WHATSAPP, "ContentVariables": "{1}"}, 21656),
        ({**WHATSAPP, "ContentVariables": '{"1": 1}'}, 21656),
        ({**WHATSAPP, "StatusCallback": "nolapse.example"}, 21609),
    ],
)
def test_it_refuses(client: httpx.Client, double: TwilioDouble, form: dict[str, str], code: int) -> None:
    refused = create(client, form)
    assert (refused["code"], refused["status"]) == (code, 400)
    assert refused["more_info"] == f"https://www.twilio.com/docs/errors/{code}"
    assert double.messages() == []


@pytest.mark.parametrize("sender", ["+12015550199", "12345", "Nolapse 1"])
def test_it_takes_any_kind_of_sender(client: httpx.Client, sender: str) -> None:
    assert create(client, {**SMS, "From": sender})["from"] == sender


def test_a_message_is_made_before_it_is_sent(client: httpx.Client) -> None:
    made = create(client, SMS)
    assert (made["status"], made["date_sent"], made["error_code"]) == ("queued", None, None)
    sent = client.get(f"{MESSAGES}/{made['sid']}.json").json()
    assert (sent["status"], sent["date_sent"]) == ("sent", "Sun, 01 Mar 2026 14:00:00 +0000")


@pytest.mark.parametrize(
    "form", [{**SMS, "To": magic_number(30003)}, {**SMS, "To": WHATSAPP["To"], "From": WHATSAPP["From"]}]
)
def test_what_fails_is_listed_and_reaches_nobody(
    client: httpx.Client, double: TwilioDouble, form: dict[str, str]
) -> None:
    made = create(client, form)
    assert made["status"] == "failed"
    assert made["error_code"] in {30003, 63016}
    assert listed(client) == ["text"]
    assert double.messages() == []


def test_it_wants_the_accounts_credentials(double: TwilioDouble) -> None:
    for auth in (None, (ACCOUNT, "x"), ("AC1", SECRETS["twilio-sms"])):
        answer = httpx.get(f"{double.url}{MESSAGES}.json", auth=auth, trust_env=False)
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"{MESSAGES}/SM1.json", 404),
        ("GET", "/2010-04-01/Accounts/AC1/Messages.json", 404),
        ("GET", "/2010-04-01", 404),
        ("DELETE", f"{MESSAGES}.json", 405),
    ],
)
def test_it_knows_its_resources(client: httpx.Client, method: str, path: str, status: int) -> None:
    assert client.request(method, path).status_code == status


def test_it_wants_a_form(client: httpx.Client) -> None:
    assert client.post(f"{MESSAGES}.json", json=SMS).status_code == 415


def test_it_is_not_idempotent(client: httpx.Client, double: TwilioDouble) -> None:
    assert create(client, SMS)["sid"] != create(client, SMS)["sid"]
    assert len(double.messages()) == 2


class TestList:
    @pytest.fixture(autouse=True)
    def over_three_days(self, client: httpx.Client, clock: Clock) -> None:
        for number in range(3):
            create(client, {**SMS, "Body": str(number), "From": f"+1201555019{number}"})
            clock.now += timedelta(hours=23)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({}, ["2", "1", "0"]),
            ({"To": "+12125550134"}, ["2", "1", "0"]),
            ({"To": "+12125550135"}, []),
            ({"From": "+12015550191"}, ["1"]),
            ({"DateSent": "2026-03-02"}, ["1"]),
            ({"DateSent>": "2026-03-02"}, ["2", "1"]),
            ({"DateSent<": "2026-03-02"}, ["1", "0"]),
            ({"DateSent>": "2026-03-02T23:59:59Z"}, ["2", "1"]),
        ],
    )
    def test_newest_first_and_by_whole_days(
        self, client: httpx.Client, query: dict[str, str], found: list[str]
    ) -> None:
        assert listed(client, **query) == found

    def test_pages(self, client: httpx.Client) -> None:
        url: str | None = f"{MESSAGES}.json?PageSize=2&To=%2B12125550134"
        pages = []
        while url:
            document = client.get(url).json()
            pages.append([message["body"] for message in document["messages"]])
            url = document["next_page_uri"]
        assert pages == [["2", "1"], ["0"]]

    @pytest.mark.parametrize("query", [{"PageSize": "0"}, {"PageSize": "1001"}, {"DateSent": "yesterday"}])
    def test_it_refuses(self, client: httpx.Client, query: dict[str, str]) -> None:
        assert client.get(f"{MESSAGES}.json", params=query).status_code == 400
