"""The link in a reminder: what its page shows, what an answer does, and what nobody can do with it."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from http.client import HTTPConnection
from typing import Any, NoReturn
from urllib.parse import urlencode, urljoin, urlsplit
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from icalendar import Calendar
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from local.doubles.received import ReceivedEmail
from local.http import Api, HttpServer
from nolapse.api.acknowledge import record
from nolapse.api.app import Rules, create_app
from nolapse.api.identity import Verifier
from nolapse.api.pace import Pace
from nolapse.api.uploads import Uploads
from nolapse.domain.answers import Answer
from nolapse.domain.links import ACKNOWLEDGE, CALENDAR, NotificationLink
from nolapse.domain.senders import Capacity
from nolapse.runtime.bootstrap import runtime
from nolapse.storage.engine import tenant_transaction
from nolapse.storage.meter import Meter
from nolapse.storage.statements import statement
from tests.conftest import Database
from tests.integration.delivery.conftest import EXPIRES, OPENS, Delivery

# The holder on 26 October and 18 November, the supervisor on 20 November if nobody answers and on 3 December.
STEPS = [
    {"event": "SECONDARY", "days": -30, "template": "secondary", "recipients": ["HOLDER"]},
    {"event": "LAST_WEEK", "days": -7, "template": "primary", "recipients": ["HOLDER"]},
    {"event": "ESCALATION", "days": -5, "template": "escalation", "recipients": ["SUPERVISOR"],
     "unless": "ACKNOWLEDGED"},
    {"event": "PAST_DUE", "days": 7, "template": "past_due", "recipients": ["HOLDER"]},
    {"event": "LAPSED", "days": 8, "template": "escalation", "recipients": ["SUPERVISOR"]},
]  # fmt: skip
ANSWERS = "SELECT answer FROM acknowledgements ORDER BY at, acknowledgement_id"


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: str


def unplanned(_now: datetime) -> NoReturn:
    raise AssertionError("no page plans")


@dataclass(frozen=True)
class Site:
    """The API as its role, at the test's time; one request at a time, as a sandbox has it."""

    delivery: Delivery
    counted: Counter[str] = field(default_factory=Counter)

    def invoke(self, function: str, event: Any) -> Any:
        assert function == "ApiFunction"
        made = runtime()
        app = create_app(
            self.delivery.register.database.api,
            made.links,
            self.delivery.clock.now,
            keys=lambda: made.key_ring,
            rules=Rules(
                Verifier("", [], "https://issuer.test"), Pace(1, 1), [], unplanned, Capacity({}, {}, 100)
            ),
            log=lambda _event, _fields: None,
            portal_url="https://portal.test/",
            uploads=Uploads(lambda: made.s3, "registers"),
            count=self.counted.update,
            meter=Meter(),
            depths=list,
        )
        return app.resolve(event, None)


@dataclass(frozen=True)
class Browser:
    server: HttpServer
    site: Site

    def ask(self, method: str, url: str, body: str | None = None, kind: str | None = None) -> Answered:
        connection = HTTPConnection("127.0.0.1", int(self.server.url.rpartition(":")[2]), timeout=20)
        headers = {"content-type": kind} if kind else {}
        connection.request(method, urlsplit(url).path, body, headers)
        response = connection.getresponse()
        answered = Answered(
            response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode()
        )
        connection.close()
        return answered

    def get(self, url: str) -> Answered:
        return self.ask("GET", url)

    def say(self, url: str, answer: str) -> Answered:
        return self.ask("POST", url, urlencode({"answer": answer}), "application/x-www-form-urlencoded")


@pytest.fixture
def browser(delivery: Delivery) -> Iterator[Browser]:
    site = Site(delivery)
    with HttpServer(Api(delivery.running.stack.routes, site), port=0) as server:  # type: ignore[arg-type]
        yield Browser(server, site)


def team(delivery: Delivery, slug: str = "clinic") -> UUID:
    """Ada with a licence, and Grace, who is told when Ada does not answer."""
    register = delivery.register
    tenant = register.tenant(slug)
    ada = register.clinician(tenant, "Ada Byron", email=f"ada@{slug}.test")
    grace = register.clinician(tenant, "Grace Hopper", email=f"grace@{slug}.test")
    register.execute(
        "UPDATE clinicians SET supervisor_id = :grace WHERE clinician_id = :ada", grace=grace, ada=ada
    )
    register.license(tenant, ada, EXPIRES)
    register.execute(
        "WITH made AS (INSERT INTO renewal_policies (tenant_id, name) VALUES (:tenant, 'ours') RETURNING policy_id)"
        " INSERT INTO policy_version (policy_id, version, tenant_id, status, steps)"
        " SELECT policy_id, 1, :tenant, 'ACTIVE', CAST(:steps AS jsonb) FROM made",
        tenant=tenant,
        steps=json.dumps([step | {"channels": ["EMAIL"]} for step in STEPS]),
    )
    register.plan(tenant_id=tenant)
    return tenant


def reminded(delivery: Delivery) -> ReceivedEmail:
    team(delivery)
    delivery.send(OPENS)
    (mail,) = delivery.mail
    return mail


def link_in(mail: ReceivedEmail) -> str:
    found = re.search(r"not mine\? (\S+)", mail.text)
    assert found
    return found[1]


def links_in(mail: ReceivedEmail) -> set[str]:
    return {unescape(url) for url in re.findall(r'href="([^"]+)"', mail.html)} | set(
        re.findall(r"https?://\S+", mail.text)
    )


def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with database.owner.connect() as connection:
        tables = connection.scalars(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
                " AND NOT relispartition AND relname NOT IN ('zone', 'zone_offset', 'day_off', 'metric_total')"
            )
        ).all()
        rows = {name: text(f"SELECT ctid, * FROM {name} ORDER BY ctid") for name in tables}  # noqa: S608
        return {name: [tuple(row) for row in connection.execute(query)] for name, query in rows.items()}


class TestThePage:
    def test_it_says_what_expires_when_and_asks(self, delivery: Delivery, browser: Browser) -> None:
        page = browser.get(link_in(reminded(delivery)))

        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for said in ("Your RN license expires in 30 days", "November 25, 2026", "••••4567", "clinic"):
            assert said in page.body
        assert re.findall(r'name="answer" value="(\w+)"', page.body) == [answer.value for answer in Answer]
        assert "1234567" not in page.body
        assert "Ada" not in page.body
        assert "<script" not in page.body

    def test_both_bodies_of_the_message_have_the_same_link(self, delivery: Delivery) -> None:
        mail = reminded(delivery)

        assert link_in(mail) in links_in(mail)
        assert {urlsplit(url).path[:3] for url in links_in(mail)} == {"/r/", "/po"}

    def test_time_goes_on(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        delivery.clock.move_to(datetime(2026, 11, 24, 12, tzinfo=UTC))

        assert "Your RN license expires tomorrow" in browser.get(link).body

    def test_a_supervisor_reads_whose_it_is(self, delivery: Delivery, browser: Browser) -> None:
        reminded(delivery)
        delivery.send(datetime(2026, 11, 20, 14, tzinfo=UTC))
        (mail,) = [mail for mail in delivery.mail if mail.to == "grace@clinic.test"]

        page = browser.get(link_in(mail))

        assert "Ada Byron&#39;s RN license expires in 5 days" in page.body
        assert "Not on my team" in page.body

    def test_a_moved_date_leaves_nothing_to_say(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        delivery.register.execute("UPDATE licenses SET expires_on = '2028-11-25'")

        page = browser.get(link)

        assert "The register has a new date, November 25, 2028" in page.body
        assert "<form" not in page.body
        assert browser.say(link, "RENEWED").status == 303
        assert delivery.register.rows(ANSWERS) == []

    def test_the_headers_let_nothing_in_and_nothing_out(self, delivery: Delivery, browser: Browser) -> None:
        headers = browser.get(link_in(reminded(delivery))).headers

        assert "default-src 'none'" in headers["content-security-policy"]
        assert "form-action 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["x-robots-tag"].startswith("noindex")
        assert "set-cookie" not in headers


class TestReadingChangesNothing:
    def test_not_even_when_a_scanner_follows_every_link(self, delivery: Delivery, browser: Browser) -> None:
        mail = reminded(delivery)
        before = everything(delivery.register.database)
        ours = [url for url in links_in(mail) if "/r/" in url]

        for _ in range(3):
            for url in ours:
                page = browser.get(url)
                assert page.status == 200
                for found in re.findall(r'href="(\./[^"]+)"', page.body):
                    assert browser.get(urljoin(url, found)).status == 200
                assert browser.ask("HEAD", url).status == 405

        assert ours
        assert everything(delivery.register.database) == before
        assert browser.site.counted == {}

    def test_the_database_itself_refuses(self, delivery: Delivery) -> None:
        # What a GET runs in, and a write that would be allowed anywhere else.
        api, tenant = delivery.register.database.api, team(delivery)
        write = text("UPDATE licenses SET state = state")
        with tenant_transaction(api, "link", tenant) as connection:
            assert connection.execute(write).rowcount == 1
        with tenant_transaction(api, "link", tenant, read_only=True) as connection:
            with pytest.raises(DatabaseError, match="read-only transaction"):
                connection.execute(write)
            connection.rollback()


class TestAnswers:
    def test_renewed_stops_what_comes_before_the_date_and_not_after(
        self, delivery: Delivery, browser: Browser
    ) -> None:
        link = link_in(reminded(delivery))

        answered = browser.say(link, "RENEWED")
        shown = browser.get(urljoin(link, answered.headers["location"]))

        assert answered.status == 303
        assert "Recorded on October 26, 2026: <strong>it is renewed</strong>" in shown.body
        assert delivery.register.rows(
            "SELECT event, status, reason FROM notification_schedule ORDER BY scheduled_at"
        ) == [
            ("SECONDARY", "SENT", None),
            ("LAST_WEEK", "SUPPRESSED", "acknowledged: renewed"),
            ("ESCALATION", "SUPPRESSED", "acknowledged: renewed"),
            ("PAST_DUE", "PENDING", None),
            ("LAPSED", "PENDING", None),
        ]

    def test_a_claim_is_no_proof_but_the_register_is(self, delivery: Delivery, browser: Browser) -> None:
        browser.say(link_in(reminded(delivery)), "RENEWED")
        delivery.register.execute(
            "UPDATE licenses SET expires_on = '2028-11-25', updated_at = :now", now=OPENS
        )
        delivery.register.plan(OPENS)

        statuses = dict(
            delivery.register.rows(
                "SELECT event, reason FROM notification_schedule"
                " WHERE occurrence = '2026-11-25' AND status = 'CANCELLED'"
            )
        )
        assert statuses == {"PAST_DUE": "date moved", "LAPSED": "date moved"}

    def test_reconcile_leaves_what_was_answered_alone(self, delivery: Delivery, browser: Browser) -> None:
        browser.say(link_in(reminded(delivery)), "RENEWED")
        before = delivery.register.rows("SELECT event, status FROM notification_schedule ORDER BY 1")

        assert delivery.invoke("ReconcileFunction", OPENS + timedelta(hours=1))["drift"] == 0
        assert delivery.register.rows("SELECT event, status FROM notification_schedule ORDER BY 1") == before

    def test_in_progress_keeps_the_supervisor_from_being_told_for_a_fortnight(
        self, delivery: Delivery, browser: Browser
    ) -> None:
        link = link_in(reminded(delivery))
        delivery.clock.move_to(datetime(2026, 11, 19, 12, tzinfo=UTC))

        browser.say(link, "IN_PROGRESS")

        statuses = dict(delivery.register.rows("SELECT event, status FROM notification_schedule"))
        assert statuses == {
            "SECONDARY": "SENT",
            "LAST_WEEK": "PENDING",
            "ESCALATION": "SUPPRESSED",
            # 3 December: fourteen days and an hour from now.
            "PAST_DUE": "PENDING",
            "LAPSED": "PENDING",
        }

    def test_silence_escalates(self, delivery: Delivery) -> None:
        reminded(delivery)
        delivery.send(datetime(2026, 11, 20, 14, tzinfo=UTC))

        assert "grace@clinic.test" in [mail.to for mail in delivery.mail]

    @pytest.mark.parametrize(("answer", "told"), [("IN_PROGRESS", False), ("NOT_MINE", True)])
    def test_a_step_unless_acknowledged(
        self, delivery: Delivery, browser: Browser, answer: str, told: bool
    ) -> None:
        # Answered 25 days before the step: too early for a fortnight's patience, but no silence.
        browser.say(link_in(reminded(delivery)), answer)
        delivery.send(datetime(2026, 11, 20, 14, tzinfo=UTC))

        assert ("grace@clinic.test" in [mail.to for mail in delivery.mail]) == told
        assert delivery.register.rows(
            "SELECT status, reason FROM notification_schedule WHERE event = 'ESCALATION'"
        ) == ([("SENT", None)] if told else [("SUPPRESSED", "acknowledged")])

    def test_not_mine_is_counted_and_audited_and_stops_nothing(
        self, delivery: Delivery, browser: Browser
    ) -> None:
        mail = reminded(delivery)

        browser.say(link_in(mail), "NOT_MINE")

        assert browser.site.counted == {"answered_not_mine": 1}
        assert delivery.register.rows(
            "SELECT actor, subject, to_status, reason FROM audit_log WHERE action = 'acknowledgement.recorded'"
        ) == [("link", f"notification:{mail.key}", "NOT_MINE", "LINK")]
        assert delivery.register.rows("SELECT 1 FROM notification_schedule WHERE status = 'SUPPRESSED'") == []

    def test_who_changes_their_mind_is_heard_again(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        said = ["IN_PROGRESS", "IN_PROGRESS", "RENEWED", "NOT_MINE", "RENEWED"]
        for minute, answer in enumerate(said):
            delivery.clock.move_to(OPENS + timedelta(minutes=minute))
            browser.say(link, answer)

        recorded = [answer for (answer,) in delivery.register.rows(ANSWERS)]
        assert recorded == ["IN_PROGRESS", "RENEWED", "NOT_MINE", "RENEWED"]

    @pytest.mark.parametrize(
        ("otherwise", "escalation"),
        [("NOT_MINE", ("PENDING", "answered otherwise")),
         ("IN_PROGRESS", ("SUPPRESSED", "acknowledged: in progress"))],
    )  # fmt: skip
    def test_what_was_taken_back_is_said_after_all(
        self, delivery: Delivery, browser: Browser, otherwise: str, escalation: tuple[str, str]
    ) -> None:
        link = link_in(reminded(delivery))
        delivery.clock.move_to(datetime(2026, 11, 10, 12, tzinfo=UTC))
        browser.say(link, "RENEWED")
        delivery.clock.move_to(datetime(2026, 11, 10, 13, tzinfo=UTC))

        browser.say(link, otherwise)

        assert delivery.register.rows(
            "SELECT event, status, reason FROM notification_schedule ORDER BY scheduled_at"
        ) == [
            ("SECONDARY", "SENT", None),
            ("LAST_WEEK", "PENDING", "answered otherwise"),
            ("ESCALATION", *escalation),
            ("PAST_DUE", "PENDING", None),
            ("LAPSED", "PENDING", None),
        ]
        assert delivery.invoke("ReconcileFunction", datetime(2026, 11, 11, 2, tzinfo=UTC))["drift"] == 0

    def test_one_reader_does_not_take_back_what_another_says(
        self, delivery: Delivery, browser: Browser
    ) -> None:
        mine = link_in(reminded(delivery))
        delivery.send(datetime(2026, 11, 18, 14, tzinfo=UTC))
        delivery.send(datetime(2026, 11, 20, 14, tzinfo=UTC))
        (supervisor,) = [mail for mail in delivery.mail if mail.to == "grace@clinic.test"]
        browser.say(mine, "IN_PROGRESS")
        browser.say(link_in(supervisor), "IN_PROGRESS")
        told = "SELECT status FROM notification_schedule WHERE event = 'LAPSED'"
        assert delivery.register.rows(told) == [("SUPPRESSED",)]

        browser.say(link_in(supervisor), "NOT_MINE")
        assert delivery.register.rows(told) == [("SUPPRESSED",)]

        browser.say(mine, "NOT_MINE")
        assert delivery.register.rows(told) == [("PENDING",)]

    def test_silence_is_what_is_left_of_an_answer_that_was_taken_back(
        self, delivery: Delivery, browser: Browser
    ) -> None:
        link = link_in(reminded(delivery))
        browser.say(link, "IN_PROGRESS")
        browser.say(link, "NOT_MINE")
        delivery.send(datetime(2026, 11, 20, 14, tzinfo=UTC))

        assert "grace@clinic.test" in [mail.to for mail in delivery.mail]

    def test_a_hundred_times_at_once_is_once(self, delivery: Delivery) -> None:
        mail = reminded(delivery)
        links, api = runtime().links, delivery.register.database.api
        link = links.open_notification(ACKNOWLEDGE, link_in(mail).rpartition("/")[2], OPENS)

        with ThreadPoolExecutor(15) as pool:
            recorded = list(pool.map(lambda _: record(api, link, Answer.RENEWED, OPENS), range(100)))

        assert Counter(recorded) == {True: 1, False: 99}
        assert delivery.register.rows(ANSWERS) == [("RENEWED",)]

    @pytest.mark.parametrize("body", ["", "answer=", "answer=DELETE", "answer=renewed", "{}", "%"])
    def test_what_is_no_answer_records_nothing(self, delivery: Delivery, browser: Browser, body: str) -> None:
        link = link_in(reminded(delivery))

        refused = browser.ask("POST", link, body, "application/x-www-form-urlencoded")

        assert (refused.status, "No answer was chosen" in refused.body) == (400, True)
        assert delivery.register.rows(ANSWERS) == []

    def test_a_form_in_parts(self, delivery: Delivery, browser: Browser) -> None:
        body = '--x\r\nContent-Disposition: form-data; name="answer"\r\n\r\nRENEWED\r\n--x--\r\n'

        answered = browser.ask("POST", link_in(reminded(delivery)), body, "multipart/form-data; boundary=x")

        assert answered.status == 303
        assert delivery.register.rows(ANSWERS) == [("RENEWED",)]


class TestTheDeployedFunction:
    def test_a_link_works_there_too(self, delivery: Delivery) -> None:
        # In processes of its own, with the environment, the role and the secret that the template gives it.
        mail = reminded(delivery)
        links = runtime().links
        link = links.open_notification(ACKNOWLEDGE, link_in(mail).rpartition("/")[2], OPENS)
        url = links.acknowledge(replace(link, issued_at=datetime.now(UTC)))
        with HttpServer(Api(delivery.running.stack.routes, delivery.running.functions), port=0) as server:
            browser = Browser(server, Site(delivery))
            with ThreadPoolExecutor(3) as pool:
                said = list(pool.map(lambda _: browser.say(url, "RENEWED").status, range(12)))
            page = browser.get(url)

        assert said == [303] * 12
        assert "<strong>it is renewed</strong>" in page.body
        assert delivery.register.rows(ANSWERS) == [("RENEWED",)]


class TestWhoMayNot:
    def refused(self, browser: Browser, url: str, status: int) -> None:
        before = everything(browser.site.delivery.register.database)
        for answered in (browser.get(url), browser.say(url, "RENEWED")):
            assert answered.status == status
            assert "Nothing was recorded" in answered.body
            assert "RN" not in answered.body
        assert everything(browser.site.delivery.register.database) == before

    def test_a_link_expires(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        delivery.clock.move_to(OPENS + timedelta(days=120))
        assert browser.get(link).status == 200

        delivery.clock.move_to(OPENS + timedelta(days=120, seconds=1))
        self.refused(browser, link, 410)

    def test_a_link_is_revoked_and_the_next_one_is_good(self, delivery: Delivery, browser: Browser) -> None:
        mail = reminded(delivery)
        delivery.register.execute(
            "UPDATE clinicians SET links_revoked_at = :now WHERE full_name = 'Ada Byron'",
            now=OPENS + timedelta(minutes=1),
        )
        self.refused(browser, link_in(mail), 410)

        delivery.send(datetime(2026, 11, 18, 14, tzinfo=UTC))
        assert browser.get(link_in(delivery.mail[-1])).status == 200

    def test_who_left_may_not_answer(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        delivery.register.execute("UPDATE clinicians SET status = 'LEFT' WHERE full_name = 'Ada Byron'")

        self.refused(browser, link, 410)

    def test_who_was_told_of_a_licence_that_is_another_s(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        (tenant,) = delivery.register.rows("SELECT tenant_id FROM licenses")[0]
        other = delivery.register.clinician(tenant, "mary")
        delivery.register.execute("UPDATE licenses SET clinician_id = :other", other=other)

        self.refused(browser, link, 410)

    def test_who_leads_the_new_holder_may_answer(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        delivery.register.execute(
            "UPDATE licenses SET clinician_id = ("
            "SELECT supervisor_id FROM clinicians WHERE clinicians.clinician_id = licenses.clinician_id)"
        )
        delivery.register.execute(
            "UPDATE clinicians SET supervisor_id = (SELECT clinician_id FROM clinicians WHERE full_name = 'Ada Byron')"
            " WHERE full_name <> 'Ada Byron'"
        )

        assert browser.get(link).status == 200

    def test_a_link_for_another_purpose(self, delivery: Delivery, browser: Browser) -> None:
        links = runtime().links
        link = link_in(reminded(delivery))
        base, _, token = link.rpartition("/")
        opened = links.open_notification(ACKNOWLEDGE, token, OPENS)

        self.refused(browser, f"{base}/{links.seal(CALENDAR, opened)}", 404)
        assert browser.get(f"{link}/calendar.ics").status == 404

    def test_another_tenant_s_row_is_not_there(self, delivery: Delivery, browser: Browser) -> None:
        # Even a seal of ours that names another tenant's row opens nothing: row-level security, not our query.
        reminded(delivery)
        other = team(delivery, "other")
        ((key, scheduled_at),) = delivery.register.rows(
            "SELECT idempotency_key, scheduled_at FROM notification_schedule"
            " WHERE tenant_id <> :other AND event = 'LAST_WEEK'",
            other=other,
        )
        forged = runtime().links.acknowledge(NotificationLink(other, key, scheduled_at, OPENS))

        self.refused(browser, forged, 410)

    def test_another_tenant_s_answer_cannot_be_written(self, delivery: Delivery) -> None:
        link = link_in(reminded(delivery))
        mine = runtime().links.open_notification(ACKNOWLEDGE, link.rpartition("/")[2], OPENS)
        database = delivery.register.database
        with database.owner.connect() as connection:
            parameters = dict(
                connection.execute(
                    text(
                        "SELECT tenant_id, clinician_id, license_id, occurrence FROM notification_schedule LIMIT 1"
                    )
                )
                .mappings()
                .one()
            )
        parameters |= {"key": mine.key, "scheduled_at": mine.scheduled_at, "answer": "RENEWED", "now": OPENS}
        other = team(delivery, "other")

        with tenant_transaction(database.api, "link", other) as connection:
            with pytest.raises(DatabaseError, match="row-level security"):
                connection.execute(statement("record_answer"), parameters)
            connection.rollback()

        assert delivery.register.rows(ANSWERS) == []

    def test_an_answer_is_not_changed_and_removed_by_retention_alone(
        self, delivery: Delivery, browser: Browser
    ) -> None:
        browser.say(link_in(reminded(delivery)), "RENEWED")
        api, engine = delivery.register.database.api, delivery.register.database.engine
        altered, removed = "UPDATE acknowledgements SET answer = 'NOT_MINE'", "DELETE FROM acknowledgements"
        for role, change in ((api, altered), (api, removed), (engine, altered)):
            with pytest.raises(DatabaseError, match="permission denied"), role.begin() as connection:
                connection.execute(text(change))

    def test_nothing_altered_opens(self, delivery: Delivery, browser: Browser) -> None:
        link = link_in(reminded(delivery))
        base, _, token = link.rpartition("/")
        alphabet = "ABCxyz019-_."

        @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
        @given(st.data())
        def altered(data: st.DataObject) -> None:
            # base64 leaves the last character of a part some bits that say nothing.
            spared = {len(token) - 1, token.rindex(".") - 1}
            at = data.draw(st.integers(0, len(token) - 1).filter(lambda at: at not in spared))
            other = data.draw(st.sampled_from([one for one in alphabet if one != token[at]]))
            answered = browser.say(f"{base}/{token[:at]}{other}{token[at + 1 :]}", "RENEWED")
            assert answered.status == 404

        altered()
        assert delivery.register.rows(ANSWERS) == []


class TestTheCalendarFile:
    def file(self, delivery: Delivery, browser: Browser) -> Answered:
        link = link_in(reminded(delivery))
        found = re.search(r'href="(\./[^"]+calendar\.ics)"', browser.get(link).body)
        assert found
        return browser.get(urljoin(link, found[1]))

    def test_it_parses_back(self, delivery: Delivery, browser: Browser) -> None:
        answered = self.file(delivery, browser)

        (event,) = Calendar.from_ical(answered.body).walk("VEVENT")
        (alarm,) = event.walk("VALARM")
        assert answered.headers["content-type"] == "text/calendar; charset=utf-8"
        assert "attachment" in answered.headers["content-disposition"]
        assert (event.start, event.end) == (EXPIRES, date(2026, 11, 26))
        assert event["summary"] == "RN license expires (NY ••••4567)"
        assert alarm["trigger"].dt == timedelta(days=-14, hours=9)
        assert "1234567" not in answered.body

    def test_twice_is_the_same_event(self, delivery: Delivery, browser: Browser) -> None:
        (once,) = Calendar.from_ical(self.file(delivery, browser).body).walk("VEVENT")
        delivery.send(datetime(2026, 11, 18, 14, tzinfo=UTC))
        link = link_in(delivery.mail[-1])
        found = re.search(r'href="(\./[^"]+calendar\.ics)"', browser.get(link).body)
        assert found
        (again,) = Calendar.from_ical(browser.get(urljoin(link, found[1])).body).walk("VEVENT")

        assert once["uid"] == again["uid"]
