"""What is Slack's and Teams' own: how a notice looks, and what they can't take."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from local.doubles import faults
from local.doubles.server import Exchange
from nolapse.domain.messages import Notice
from nolapse.domain.outcomes import Accepted, Rejected, RetrySafe, Unknown
from nolapse.providers.slack import Slack
from tests.contract.messages.conftest import NOTICE, TEXT

on_both = pytest.mark.parametrize("rig", ["slack", "teams"], indirect=True)
on_slack = pytest.mark.parametrize("rig", ["slack"], indirect=True)
on_teams = pytest.mark.parametrize("rig", ["teams"], indirect=True)


def sent(rig: Any, notice: Notice) -> Mapping[str, Any]:
    assert isinstance(rig.provider.send(notice), Accepted)
    (received,) = rig.double.messages()
    request: Mapping[str, Any] = received.request
    return request


@on_both
def test_it_is_named_by_our_key(rig: Any) -> None:
    assert rig.provider.send(NOTICE) == Accepted(NOTICE.key)


@on_both
def test_without_facts_or_link(rig: Any) -> None:
    assert isinstance(rig.provider.send(replace(NOTICE, facts={}, link=None)), Accepted)
    (received,) = rig.double.messages()
    assert (received.facts, received.link) == ({}, None)


@on_both
def test_the_url_of_a_file_ends_in_a_line_end(rig: Any) -> None:
    provider = rig.vendor.provider(f" {rig.double.url}\r\n", 10, rig.clock)
    assert isinstance(provider.send(NOTICE), Accepted)


@on_both
def test_a_webhook_that_is_gone_is_an_operators_to_mend(rig: Any) -> None:
    rig.faults.inject(faults.answer(410))
    assert rig.provider.send(NOTICE) == RetrySafe(f"{rig.provider.name}:410")


class TestSlack:
    @on_slack
    def test_blocks(self, rig: Any) -> None:
        def plain(text: str) -> dict[str, object]:
            return {"type": "plain_text", "text": text, "emoji": False}

        assert sent(rig, NOTICE) == {
            "text": "Drift in &lt;3&gt; windows &amp; “more”",
            "blocks": [
                {"type": "header", "text": plain("Drift in <3> windows & “more”")},
                {"type": "section", "text": plain(TEXT)},
                {
                    "type": "section",
                    "fields": [plain("run_id\n0198_f0c2_4821"), plain("missing\n3")],
                },
                {
                    "type": "actions",
                    "elements": [{"type": "button", "text": plain("Open"), "url": NOTICE.link}],
                },
            ],
        }

    @on_slack
    def test_a_long_text_goes_on_in_another_section(self, rig: Any) -> None:
        text = "0123456789" * 1000
        assert len(sent(rig, replace(NOTICE, text=text))["blocks"]) == 1 + 4 + 1 + 1
        assert rig.double.messages()[0].text == text

    @on_slack
    def test_facts_come_ten_to_a_section(self, rig: Any) -> None:
        facts = {f"fact {number}": str(number) for number in range(25)}
        assert len(sent(rig, replace(NOTICE, facts=facts))["blocks"]) == 1 + 1 + 3 + 1
        assert rig.double.messages()[0].facts == facts

    @on_slack
    def test_a_title_is_cut_where_slack_would_refuse_it(self, rig: Any) -> None:
        sent(rig, replace(NOTICE, title="t" * 151))
        assert rig.double.messages()[0].title == "t" * 149 + "…"

    @on_slack
    def test_more_blocks_than_slack_takes(self, rig: Any) -> None:
        assert rig.provider.send(replace(NOTICE, text="x" * 3000 * 50)) == Rejected("slack:too-large")
        assert rig.double.messages() == []

    @on_slack
    @pytest.mark.parametrize("body", [b"", b"okay", b"<html>", b"no_text"])
    def test_only_ok_is_ok(self, rig: Any, body: bytes) -> None:
        rig.faults.inject(faults.answer(200, body=body))
        assert rig.provider.send(NOTICE) == Unknown("slack:200")

    @on_slack
    def test_an_unknown_webhook(self, rig: Any) -> None:
        assert Slack(rig.double.url + "x", 10).send(NOTICE) == RetrySafe("slack:404")


class TestTeams:
    @on_teams
    def test_card(self, rig: Any) -> None:
        def run(text: str, **style: str) -> dict[str, object]:
            return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}

        assert sent(rig, NOTICE) == {
            "type": "message",
            "attachments": [
                {
                    "contentType": "application/vnd.microsoft.card.adaptive",
                    "contentUrl": None,
                    "content": {
                        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                        "type": "AdaptiveCard",
                        "version": "1.4",
                        "body": [
                            run(NOTICE.title, size="Medium", weight="Bolder"),
                            run(TEXT),
                            {
                                "type": "FactSet",
                                "facts": [
                                    {"title": "run_id", "value": "0198_f0c2_4821"},
                                    {"title": "missing", "value": "3"},
                                ],
                            },
                        ],
                        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": NOTICE.link}],
                    },
                }
            ],
        }

    @on_teams
    def test_up_to_28_kilobytes(self, rig: Any) -> None:
        sizes: list[int] = []

        def measure(exchange: Exchange) -> None:
            sizes.append(len(exchange.read().body))
            exchange.reset()

        rig.faults.inject(measure)
        rig.provider.send(replace(NOTICE, text=""))
        room = 28 * 1024 - sizes[0]
        assert isinstance(rig.provider.send(replace(NOTICE, text="x" * room)), Accepted)
        assert rig.provider.send(replace(NOTICE, text="x" * (room + 1))) == Rejected("teams:too-large")
        assert isinstance(rig.provider.send(replace(NOTICE, text="é" * (room // 2))), Accepted)


class TestDoubles:
    """They refuse what the vendors would."""

    @pytest.mark.parametrize("rig", ["slack"], indirect=True)
    @pytest.mark.parametrize(
        "blocks",
        [
            {},
            [{"type": "header", "text": {"type": "plain_text", "text": "t" * 151}}],
            [{"type": "header", "text": {"type": "mrkdwn", "text": "t"}}],
            [{"type": "section", "text": {"type": "plain_text", "text": ""}}],
            [{"type": "section", "fields": []}],
            [{"type": "section", "fields": [{"type": "plain_text", "text": "t"}] * 11}],
            [{"type": "marquee"}],
            [{"type": "section", "text": {"type": "plain_text", "text": "t"}}] * 51,
        ],
    )
    def test_slack_blocks(self, rig: Any, blocks: object) -> None:
        assert post(rig, {"text": "t", "blocks": blocks}) == (400, b"invalid_blocks")

    @on_slack
    @pytest.mark.parametrize(
        ("document", "error"), [([], b"invalid_payload"), ({}, b"no_text"), ({"blocks": []}, b"no_text")]
    )
    def test_slack_payload(self, rig: Any, document: object, error: bytes) -> None:
        assert post(rig, document) == (400, error)

    @on_teams
    @pytest.mark.parametrize(
        "card",
        [
            {},
            {"type": "AdaptiveCard", "version": "1.0", "body": [{"type": "TextBlock", "text": "t"}]},
            {"type": "AdaptiveCard", "version": "1.4", "body": []},
            {"type": "AdaptiveCard", "version": "1.4", "body": [{"type": "TextBlock"}]},
            {
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [{"type": "FactSet", "facts": [{"title": "t"}]}],
            },
            {
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": [{"type": "TextBlock", "text": "t"}],
                "actions": [{"type": "Action.OpenUrl", "title": "t", "url": "javascript:x"}],
            },
        ],
    )
    def test_teams_cards(self, rig: Any, card: object) -> None:
        attachment = {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": None,
            "content": card,
        }
        assert post(rig, {"type": "message", "attachments": [attachment]})[0] == 400
        assert rig.double.messages() == []

    @on_teams
    def test_teams_takes_no_old_message_card(self, rig: Any) -> None:
        assert post(rig, {"@type": "MessageCard", "text": "t"})[0] == 400


def post(rig: Any, document: object) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(rig.double.url, content=json.dumps(document), headers=headers, trust_env=False)
    return answer.status_code, answer.content
