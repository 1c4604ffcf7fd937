"""A person's calendar: subscribed to by a link, and dead once it is revoked."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from icalendar import Calendar

from nolapse.api.identity import Role
from tests.integration.api.conftest import Api

BASE = "https://nolapse.test"


@pytest.fixture
def ada(api: Api, tenant: UUID) -> UUID:
    person = api.register.clinician(tenant)
    for number, expires in (("RN-1234567", date(2027, 1, 31)), ("RN-7654321", date(2026, 12, 31))):
        api.register.license(tenant, person, expires, number=number)
    api.register.license(tenant, person, None, number="RN-0000001")
    return person


def feed(api: Api, token: str, person: UUID) -> str:
    answer = api.call("GET", f"/v1/clinicians/{person}/calendar", token)
    assert answer.status == 200, answer.body
    url: str = answer.body["url"]
    return url.removeprefix(BASE)


def test_it_has_every_date_and_no_whole_number(api: Api, staff: str, ada: UUID) -> None:
    answer = api.call("GET", feed(api, staff, ada))

    assert (answer.status, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
    events = Calendar.from_ical(answer.body).walk("VEVENT")
    assert [event.decoded("dtstart") for event in events] == [date(2026, 12, 31), date(2027, 1, 31)]
    assert len({str(event["uid"]) for event in events}) == 2
    assert "1234567" not in answer.body


def test_a_physician_subscribes_to_their_own(api: Api, tenant: UUID, ada: UUID) -> None:
    other = api.register.clinician(tenant, "grace")
    physician = api.token(tenant, Role.PHYSICIAN, clinician_id=other)

    assert api.call("GET", f"/v1/clinicians/{ada}/calendar", physician).status == 404
    empty = api.call("GET", feed(api, physician, other))
    assert (empty.status, Calendar.from_ical(empty.body).walk("VEVENT")) == (200, [])


def test_revoked_it_is_dead_and_a_new_one_is_good(api: Api, staff: str, ada: UUID) -> None:
    before = feed(api, staff, ada)
    assert api.call("POST", f"/v1/clinicians/{ada}/links/revoke", staff).status == 200

    assert api.call("GET", before).status == 410
    assert api.call("GET", feed(api, staff, ada)).status == 200
    assert api.register.rows("SELECT subject FROM audit_log WHERE action = 'links.revoked'") == [
        (f"clinician:{ada}",)
    ]


def test_a_link_made_in_the_second_of_a_revocation_is_good(api: Api, staff: str, ada: UUID) -> None:
    api.clock.move_to(api.clock.now() + timedelta(milliseconds=500))
    revoked = api.clock.now() + timedelta(milliseconds=800)
    api.register.execute("UPDATE clinicians SET links_revoked_at = :at", at=revoked)

    assert api.call("GET", feed(api, staff, ada)).status == 200


def test_a_link_opens_one_person_s_and_a_forged_one_nobody_s(
    api: Api, staff: str, tenant: UUID, ada: UUID
) -> None:
    other = api.register.clinician(tenant, "grace")
    mine = feed(api, staff, ada)

    assert api.call("GET", mine.replace(str(ada), str(other))).status == 410
    assert api.call("GET", mine[:-2]).status == 404
    assert api.call("GET", f"/clinicians/{ada}/calendar.ics").status == 422
    assert api.call("DELETE", f"/v1/clinicians/{ada}", staff, if_match="*").status == 200
    assert api.call("GET", mine).status == 410
