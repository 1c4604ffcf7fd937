"""Leaving with one click (RFC 8058): what mail clients POST, what the page shows, what the link never does."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from local.doubles.received import ReceivedEmail
from nolapse.domain.links import ACKNOWLEDGE
from nolapse.runtime.bootstrap import runtime
from tests.integration.delivery.conftest import OPENS, Delivery
from tests.integration.delivery.test_acknowledge import Answered, Browser, browser, everything, link_in

__all__ = ["browser"]

DAY = timedelta(days=1)


def reminded(delivery: Delivery) -> ReceivedEmail:
    delivery.due()
    delivery.send(OPENS)
    (mail,) = delivery.mail
    return mail


def unsubscribe_link(mail: ReceivedEmail) -> str:
    return str(mail.request["headers"]["List-Unsubscribe"]).strip("<>")


def one_click(browser: Browser, url: str) -> Answered:
    """As a mail client does it: without a word to anybody."""
    body = urlencode({"List-Unsubscribe": "One-Click"})
    return browser.ask("POST", url, body, "application/x-www-form-urlencoded")


def suppressions(delivery: Delivery) -> list[tuple[object, ...]]:
    return delivery.register.rows(
        "SELECT channel, reason, in_force, address_sha256 = address_digest('ADA1@clinic.test') FROM suppressions"
    )


def test_every_mail_to_a_person_says_how(delivery: Delivery) -> None:
    mail = reminded(delivery)

    assert mail.request["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert unsubscribe_link(mail).startswith("http://127.0.0.1:8000/u/")
    assert mail.to not in unsubscribe_link(mail)


@pytest.mark.parametrize("email", [None, "DESK@clinic.test"])
def test_nobody_leaves_in_a_desk_s_place(delivery: Delivery, email: str | None) -> None:
    delivery.due()
    delivery.register.execute("UPDATE clinicians SET email = :email", email=email)
    delivery.send(OPENS)

    assert "headers" not in delivery.mail[0].request


def test_one_click_is_enough(delivery: Delivery, browser: Browser) -> None:
    answered = one_click(browser, unsubscribe_link(reminded(delivery)))

    assert answered.status == 200
    assert "No more e-mail reminders" in answered.body
    assert suppressions(delivery) == [("EMAIL", "UNSUBSCRIBED", True, True)]
    assert browser.site.counted == {"unsubscribed": 1}
    assert delivery.register.rows(
        "SELECT action, actor, reason FROM audit_log ORDER BY seq DESC LIMIT 1"
    ) == [("suppression.recorded", "link", "UNSUBSCRIBED")]


def test_a_second_one_changes_nothing(delivery: Delivery, browser: Browser) -> None:
    link = unsubscribe_link(reminded(delivery))
    one_click(browser, link)
    before = everything(delivery.register.database)

    assert one_click(browser, link).status == 200

    assert everything(delivery.register.database) == before
    assert browser.site.counted == {"unsubscribed": 1}


def test_a_scanner_that_follows_the_link_changes_nothing(delivery: Delivery, browser: Browser) -> None:
    link = unsubscribe_link(reminded(delivery))
    before = everything(delivery.register.database)

    page = browser.get(link)

    assert everything(delivery.register.database) == before
    assert (page.status, page.headers["cache-control"]) == (200, "no-store")
    assert '<button name="List-Unsubscribe" value="One-Click">' in page.body
    assert "a…@clinic.test" in page.body
    assert "ada1@" not in page.body
    assert "<script" not in page.body


def test_the_page_knows_that_its_reader_has_left(delivery: Delivery, browser: Browser) -> None:
    link = unsubscribe_link(reminded(delivery))
    one_click(browser, link)

    page = browser.get(link)

    assert "No more e-mail reminders" in page.body
    assert "<form" not in page.body


def test_it_is_the_address_that_the_mail_went_to(delivery: Delivery, browser: Browser) -> None:
    link = unsubscribe_link(reminded(delivery))
    delivery.register.execute("UPDATE clinicians SET email = 'elsewhere@clinic.test'")
    one_click(browser, link)

    assert suppressions(delivery) == [("EMAIL", "UNSUBSCRIBED", True, True)]


def test_no_reminder_goes_there_any_more(delivery: Delivery, browser: Browser) -> None:
    one_click(browser, unsubscribe_link(reminded(delivery)))
    delivery.register.execute(
        "INSERT INTO licenses (tenant_id, clinician_id, license_type, state, license_number, expires_on)"
        " SELECT tenant_id, clinician_id, 'MD', 'NY', 'MD-1', '2026-11-25' FROM clinicians"
    )
    delivery.register.plan(OPENS)
    delivery.send(OPENS + timedelta(minutes=1))

    assert len(delivery.mail) == 1
    assert delivery.register.rows("SELECT reason FROM notification_schedule WHERE status = 'DEFERRED'") == [
        ("no channel reaches this person: EMAIL suppressed",)
    ]


class TestALinkThatIsNone:
    def test_of_another_purpose(self, delivery: Delivery, browser: Browser) -> None:
        token = link_in(reminded(delivery)).rpartition("/")[2]

        answered = one_click(browser, f"http://127.0.0.1:8000/u/{token}")

        assert (answered.status, suppressions(delivery)) == (404, [])

    def test_it_answers_no_reminder(self, delivery: Delivery, browser: Browser) -> None:
        token = unsubscribe_link(reminded(delivery)).rpartition("/")[2]

        assert browser.say(f"http://127.0.0.1:8000/r/{token}", "RENEWED").status == 404

    def test_altered(self, delivery: Delivery, browser: Browser) -> None:
        # Not its last letter: two bits of that say nothing.
        sealed, _, signature = unsubscribe_link(reminded(delivery)).rpartition(".")
        other = "A" if signature[0] != "A" else "B"

        assert one_click(browser, f"{sealed}.{other}{signature[1:]}").status == 404
        assert suppressions(delivery) == []

    def test_over(self, delivery: Delivery, browser: Browser) -> None:
        link = unsubscribe_link(reminded(delivery))
        delivery.clock.move_to(OPENS + 121 * DAY)

        assert (one_click(browser, link).status, suppressions(delivery)) == (410, [])

    def test_revoked(self, delivery: Delivery, browser: Browser) -> None:
        link = unsubscribe_link(reminded(delivery))
        delivery.register.execute("UPDATE clinicians SET links_revoked_at = :now", now=OPENS)

        assert (one_click(browser, link).status, suppressions(delivery)) == (410, [])

    def test_sealed_by_us_for_another_tenant(self, delivery: Delivery, browser: Browser) -> None:
        """Even a seal of ours opens no other tenant's row: the database does not show it."""
        mail = reminded(delivery)
        links = runtime().links
        link = links.open_notification(ACKNOWLEDGE, link_in(mail).rpartition("/")[2], OPENS)
        other = delivery.register.tenant("another")
        forged = links.unsubscribe(type(link)(other, link.key, link.scheduled_at, link.issued_at))

        assert (one_click(browser, forged).status, suppressions(delivery)) == (410, [])
