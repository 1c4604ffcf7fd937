"""The guards that keep people from being missed, told twice or seen by others, and what stands without each.

`text` stands once in `path`; with `instead` in its place the guard is gone, and `tests` must fail.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DELIVERY = "tests/integration/delivery"
SQL = "shared/nolapse/storage/sql"


@dataclass(frozen=True, slots=True)
class Guard:
    name: str
    taken_out: str
    path: str
    text: str
    instead: str
    tests: str

    def apply(self, root: Path) -> None:
        """Raises ValueError where the text is not there, or not once: the guard has moved."""
        file = root / self.path
        source = file.read_text()
        if source.count(self.text) != 1:
            raise ValueError(f"{self.name}: its text stands {source.count(self.text)} times in {self.path}")
        file.write_text(source.replace(self.text, self.instead))


GUARDS = (
    Guard(
        "lease", "an attempt is given up while its dispatcher lives",
        f"{SQL}/expire_leases.sql", "WHERE outcome IS NULL AND lease_until <= :now", "WHERE outcome IS NULL",
        f"{DELIVERY}/test_catch_up.py::TestLeases::test_one_that_ran_out_means_unknown_and_never_retry",
    ),
    Guard(
        "claim",
        "nothing is written down before the provider is called",
        f"{SQL}/begin_attempts.sql",
        "SET status = 'SENDING',",
        "SET status = 'QUEUED',",
        "tests/simulation/test_scenarios.py::test_of_a_hundred_workers_on_one_row_one_sends",
    ),
    Guard(
        "idempotency key", "a row that was lost comes back as if nothing had left",
        f"{SQL}/plan_changes.sql", "WHEN evidence.outcome = 'ACCEPTED' THEN 'SENT'", "WHEN false THEN 'SENT'",
        "tests/integration/test_reconcile_full.py",
    ),
    Guard(
        "identity", "what was told is planned again at another instant",
        f"{SQL}/plan_changes.sql",
        "= (differing.subject_id, differing.event, differing.occurrence, differing.clinician_id)\n        -- nobody",
        "= (differing.subject_id, 'none', differing.occurrence, differing.clinician_id)\n        -- nobody",
        "tests/integration/test_rescheduling.py::test_a_birthday_edited_on_its_day_is_not_told_twice_in_the_year",
    ),
    Guard(
        "unknown", "what may have left is simply tried again",
        "shared/nolapse/domain/routing.py",
        "        case Unknown(code, handle):\n            return replace(here, code=code, handle=handle)\n        case Rejected",
        "        case Unknown(code, handle):\n            return judge(RetrySafe(code), plan, way,"
        " retry_count=retry_count, late=late, jitter=jitter)\n        case Rejected",
        f"{DELIVERY}/test_failover.py::TestProvider"
        "::test_what_may_have_left_is_asked_about_before_anybody_else_is_tried",
    ),
    Guard(
        "probe",
        "the provider's own records are not believed",
        "shared/nolapse/domain/routing.py",
        """        case Accepted(message_id):
            return replace(here, outcome="ACCEPTED", message_id=message_id, status=Status.SENT)
        case NotFound():""",
        "        case NotFound() | Accepted():",
        f"{DELIVERY}/test_dispatch.py::TestUnknown::test_taken_and_its_answer_lost",
    ),
    Guard(
        "circuit breaker", "no number of failures opens it",
        "shared/nolapse/delivery/circuits.py", "FAILURES_TO_OPEN = 5", "FAILURES_TO_OPEN = 1_000_000",
        f"{DELIVERY}/test_failover.py::TestCircuit::test_it_opens_after_five_failures_and_diverts",
    ),
    Guard(
        "quiet hours", "late messages leave at night",
        "shared/nolapse/delivery/catch_up.py",
        "        return next_allowed(since, zone, policy.quiet_from, policy.quiet_until)",
        "        return Window(since, since + timedelta(hours=12))",
        f"{DELIVERY}/test_catch_up.py::TestLate::test_it_says_so_and_leaves_outside_quiet_hours",
    ),
    Guard(
        "quiet hours of SMS", "texts leave at night",
        "shared/nolapse/delivery/dispatch.py", "if channel not in TEXTS:", "if True:",
        f"{DELIVERY}/test_failover.py::TestChannel::test_no_text_wakes_anybody",
    ),
    Guard(
        "late window", "what waits for the morning leaves at once",
        f"{SQL}/grant_late_windows.sql", "next_attempt_at = granted.opens_at", "next_attempt_at = :now",
        f"{DELIVERY}/test_catch_up.py::TestLate::test_it_says_so_and_leaves_outside_quiet_hours",
    ),
    Guard(
        "distance of late ones", "one person gets all that is late at once",
        f"{SQL}/late_candidates.sql", "  WHERE on_their_way = 0\n", "",
        f"{DELIVERY}/test_catch_up.py::TestOnePerPerson::test_one_whose_fate_is_unknown_keeps_the_next_waiting",
    ),
    Guard(
        "end on the way", "what an edit ended in the queue leaves all the same",
        "shared/nolapse/delivery/dispatch.py", "        if row.ended:", "        if False:",
        f"{DELIVERY}/test_dispatch.py::TestEndedOnItsWay::test_it_is_not_sent_and_waits_for_nothing",
    ),
    Guard(
        "limit per person", "a day has no limit",
        "shared/nolapse/delivery/dispatch.py",
        "        if not ready.row.perishable and ready.number == 1:", "        if False:",
        f"{DELIVERY}/test_pace.py::test_one_person_gets_no_more_than_so_many_a_day",
    ),
    Guard(
        "pace", "nothing is ever over a limit",
        "shared/nolapse/delivery/pace.py", "if left[limit.subject] <= 0]", "if False]",
        f"{DELIVERY}/test_pace.py::test_what_is_over_it_leaves_in_the_next_minutes_the_most_urgent_first",
    ),
    Guard(
        "room given back", "what one limit denies is spent under the others",
        "shared/nolapse/delivery/pace.py", "    if spare:", "    if False:",
        f"{DELIVERY}/test_pace.py::test_waiting_for_a_minute_s_room_spends_nobody_s_day",
    ),
    Guard(
        "what breaks", "an exception out of an SDK takes its batch along",
        "shared/nolapse/delivery/outlets.py", "except Exception as error:", "except ZeroDivisionError as error:",
        f"{DELIVERY}/test_dispatch.py::test_what_breaks_an_sdk_does_not_take_its_batch_along",
    ),
    Guard(
        "seal of queue messages", "whatever lies on the queue is believed",
        "shared/nolapse/domain/seals.py", "_signer(keys[key_id], purpose).unsign(signed)",
        "signed.rpartition('.')[0]",
        f"{DELIVERY}/test_dispatch.py::TestRefused::test_what_is_not_ours_or_says_something_else",
    ),
    Guard(
        "signature of SendGrid's receipts", "anybody may say what was delivered",
        "shared/nolapse/providers/sendgrid_events.py",
        "        key.verify(signed, timestamp.encode() + raw_body, ec.ECDSA(hashes.SHA256()))\n", "",
        "tests/unit/test_sendgrid_events.py::TestSignature::test_no_byte_of_the_body_may_change",
    ),
    Guard(
        "signature of Mailgun's receipts", "anybody may say what was delivered",
        "shared/nolapse/providers/mailgun_events.py", "hmac.compare_digest(expected.encode(), signed.encode())", "True",
        "tests/unit/test_mailgun_events.py",
    ),
    Guard(
        "signature of Twilio's receipts", "anybody may say what was delivered",
        "shared/nolapse/providers/twilio_events.py",
        "    _verify(url, headers, fields, secret)\n    sid", "    sid",
        "tests/unit/test_twilio_events.py::TestSignature::test_another_token",
    ),
    Guard(
        "replay window of receipts", "a recorded call is good for ever",
        "shared/nolapse/providers/replay.py", "if abs(now - signed_at) > window:", "if False:",
        "tests/unit/test_mailgun_events.py::TestReplay::test_outside",
    ),
    Guard(
        "bounce", "what came back is delivered again by a receipt that comes late",
        f"{SQL}/apply_receipts.sql", "CASE WHEN bounced OR outcome = 'BOUNCED' THEN 'BOUNCED'", "CASE WHEN bounced THEN 'BOUNCED'",
        f"{DELIVERY}/test_receipt_order.py::test_every_order_and_repetition_ends_in_the_same_state",
    ),
    Guard(
        "next channel after a bounce", "a reminder that came back reaches nobody",
        f"{SQL}/go_on_after_bounce.sql", "WHERE attempt_id = ANY", "WHERE false AND attempt_id = ANY",
        f"{DELIVERY}/test_receipts.py::TestBounce::test_it_goes_on_by_the_next_channel_within_its_window",
    ),
    Guard(
        "open attempt beside a bounce", "it goes on while an earlier attempt may have got through",
        f"{SQL}/go_on_after_bounce.sql", "IN ('ACCEPTED', 'UNKNOWN', 'UNPROVEN'))", "IN ('none'))",
        f"{DELIVERY}/test_receipts.py::TestBounce::test_not_while_an_earlier_attempt_may_have_got_through",
    ),
    Guard(
        "rate limit of the API", "one caller asks as often as it likes",
        "shared/nolapse/api/pace.py", "if count > limit:", "if False:",
        "tests/integration/api/test_front.py::TestPace::test_of_one_caller",
    ),
    Guard(
        "refused are not counted for all", "one caller's refused requests lock out its whole tenant",
        f"{SQL}/take_api_pace.sql", "FROM caller WHERE used <= :most", "FROM caller WHERE :most > 0",
        "tests/integration/api/test_front.py::TestPace::test_what_one_caller_is_refused_is_not_counted_for_the_tenant",
    ),
    Guard(
        "permission matrix", "a path that the matrix does not know is anybody's",
        "shared/nolapse/api/front.py", "    if what.pattern is None:", "    if False:",
        "tests/integration/api/test_permissions.py::test_a_path_beside_a_route_is_nobody_s",
    ),
    Guard(
        "who is gone", "what is attached to somebody while they are erased outlives them",
        "migrations/versions/0030_refuse_who_is_gone.py", '"SHARE" if column', '"KEY SHARE" if column',
        "tests/integration/api/test_gone.py::test_an_erasure_waits_for_what_is_being_attached_and_covers_it",
    ),
    Guard(
        "row-level security", "every tenant reads every row",
        "migrations/tenancy.py", 'visible = f"tenant_id = {CURRENT_TENANT}"', 'visible = "true"',
        "tests/integration/test_tenancy.py::test_a_tenant_sees_its_rows_and_no_others",
    ),
)  # fmt: skip
