"""Doses as people read them: on time, late within the safe interval, or their caregiver instead."""

from datetime import UTC, datetime

from nolapse.planning.medications import Prescription
from tests.integration.conftest import DAILY
from tests.integration.delivery.conftest import Delivery

# Eight in the morning in New York; the dose may be taken until ten.
DUE = datetime(2026, 10, 26, 12, tzinfo=UTC)
PLANNED = datetime(2026, 10, 26, 5, tzinfo=UTC)


def prescribed(delivery: Delivery) -> None:
    register = delivery.register
    tenant = register.tenant()
    taker = register.clinician(tenant, "Pat", email="pat@home.test")
    carer = register.clinician(tenant, "Cleo", email="cleo@home.test")
    register.prescribe(taker, Prescription("your tablets", DAILY.recurrence, caregiver_id=carer), PLANNED)


def test_on_time_it_says_until_when(delivery: Delivery) -> None:
    prescribed(delivery)
    delivery.send(DUE)

    (mail,) = delivery.mail
    assert (mail.to, mail.subject) == ("pat@home.test", "Your 8:00 AM reminder from clinic")
    assert "It is time for your tablets" in mail.text
    assert "If you read this after 10:00 AM, leave this dose out" in mail.text


def test_late_it_says_so_and_still_until_when(delivery: Delivery) -> None:
    prescribed(delivery)
    delivery.send(DUE.replace(minute=45))

    (mail,) = delivery.mail
    assert mail.subject == "Your 8:00 AM reminder from clinic, late"
    assert "you can still do so until 10:00 AM" in mail.text


def test_too_late_only_the_caregiver_is_told(delivery: Delivery) -> None:
    prescribed(delivery)
    delivery.catch_up(DUE.replace(hour=14))
    delivery.send()

    (mail,) = delivery.mail
    assert mail.to == "cleo@home.test"
    assert "We could not remind Pat at 8:00 AM" in mail.text
    assert "take" not in mail.subject


def test_a_caregiver_hears_nothing_of_a_dose_that_was_told(delivery: Delivery) -> None:
    prescribed(delivery)
    delivery.send(DUE)
    delivery.send(DUE.replace(hour=14, minute=5))

    assert [mail.to for mail in delivery.mail] == ["pat@home.test"]
    assert delivery.register.rows(
        "SELECT reason FROM notification_schedule WHERE event = 'MISSED_DOSE' AND status = 'SUPPRESSED'"
    ) == [("told in time",)]
