"""Bad states are unrepresentable: every CHECK constraint of the schema refuses one bad row."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from tests.integration.conftest import DAILY, NOW, Register, acknowledge, suppress

# By constraint, a change that would make a good row bad in just that way.
REFUSED = {
    "metric_total_metric_check": "UPDATE metric_total SET metric = ''",
    "metric_total_buckets_check": "UPDATE metric_total SET buckets = '{}'",
    "metric_folded_only_row_check": "UPDATE metric_folded SET only_row = false",
    "tenants_slug_check": "UPDATE tenants SET slug = 'Not A Slug'",
    "tenants_name_check": "UPDATE tenants SET name = ''",
    "tenants_timezone_check": "UPDATE tenants SET timezone = ''",
    "tenants_contact_email_check": "UPDATE tenants SET contact_email = 'nobody'",
    "clinicians_external_id_check": "UPDATE clinicians SET external_id = ''",
    "clinicians_role_check": "UPDATE clinicians SET role = 'WIZARD'",
    "clinicians_full_name_check": "UPDATE clinicians SET full_name = ''",
    "clinicians_email_check": "UPDATE clinicians SET email = 'nobody'",
    "clinicians_phone_check": "UPDATE clinicians SET phone = '555-0100'",
    "clinicians_whatsapp_check": "UPDATE clinicians SET whatsapp = '555-0100'",
    "clinicians_timezone_check": "UPDATE clinicians SET timezone = ''",
    "clinicians_status_check": "UPDATE clinicians SET status = 'LOST'",
    "who_was_erased_stays_so": "UPDATE clinicians SET erased_at = now()",
    "audit_anchor_alone_check": "UPDATE audit_anchor SET alone = false",
    "schedule_anchor_alone_check": "UPDATE schedule_anchor SET alone = false",
    "who_was_deleted_is_not_active": "UPDATE clinicians SET deleted_at = now()",
    "what_was_deleted_was_stopped": "UPDATE medications SET deleted_at = now()",
    "what_was_deleted_has_ended": "UPDATE licenses SET deleted_at = now()",
    "api_pace_used_check": "UPDATE api_pace SET used = 0",
    "idempotent_request_principal_check": "UPDATE idempotent_request SET principal = ''",
    "idempotent_request_key_check": "UPDATE idempotent_request SET key = ''",
    "idempotent_request_request_sha256_check": "UPDATE idempotent_request SET request_sha256 = 'x'",
    "clinicians_check": "UPDATE clinicians SET supervisor_id = clinician_id",
    "person_dates_kind_check": "UPDATE person_dates SET kind = 'LICENSE_EXPIRY'",
    "person_dates_on_date_check": "UPDATE person_dates SET on_date = '1899-12-31'",
    "medications_check": "UPDATE medications SET caregiver_id = clinician_id",
    "medications_label_check": "UPDATE medications SET label = ''",
    "medications_starts_at_check": "UPDATE medications SET starts_at = '1969-12-31'",
    "medications_rrule_check": "UPDATE medications SET rrule = 'daily'",
    "medications_lateness_check": "UPDATE medications SET lateness = 'MAYBE'",
    "medications_on_time_minutes_check": "UPDATE medications SET on_time_minutes = 0",
    "medications_safe_minutes_check": "UPDATE medications SET safe_minutes = 2000",
    "medications_least_gap_minutes_check": "UPDATE medications SET least_gap_minutes = 0",
    "medications_status_check": "UPDATE medications SET status = 'LOST'",
    "on_time_is_safe": "UPDATE medications SET on_time_minutes = safe_minutes + 1",
    "doses_check": "UPDATE doses SET closes_at = due_at",
    "licenses_license_type_check": "UPDATE licenses SET license_type = ''",
    "licenses_state_check": "UPDATE licenses SET state = ''",
    "licenses_license_number_check": "UPDATE licenses SET license_number = ''",
    "licenses_expires_on_check": "UPDATE licenses SET expires_on = '2100-01-01'",
    "licenses_status_check": "UPDATE licenses SET status = 'LOST'",
    "renewal_policies_license_type_check": "UPDATE renewal_policies SET license_type = ''",
    "renewal_policies_state_check": "UPDATE renewal_policies SET state = ''",
    "renewal_policies_occasion_check": "UPDATE renewal_policies SET occasion = 'full moon'",
    "renewal_policies_name_check": "UPDATE renewal_policies SET name = ''",
    "policy_version_version_check": "UPDATE policy_version SET version = 0",
    "policy_version_status_check": "UPDATE policy_version SET status = 'OLD'",
    "policy_version_steps_check": "UPDATE policy_version SET steps = steps -> 0",
    "policy_version_check": "UPDATE policy_version SET opens = closes",
    "policy_version_leap_day_check": "UPDATE policy_version SET leap_day = 'FEB_30'",
    "policy_version_grace_days_check": "UPDATE policy_version SET grace_days = -1",
    "policy_version_buffer_days_check": "UPDATE policy_version SET buffer_days = -1",
    "policy_version_business_days_check": "UPDATE policy_version SET business_days = 'NEAREST', holidays = 'US'",
    "policy_version_holidays_check": "UPDATE policy_version SET holidays = 'the usual'",
    "policy_version_check1": "UPDATE policy_version SET business_days = 'BEFORE'",
    "policy_version_check2": "UPDATE policy_version SET former_version = version",
    "every_step_is_whole": 'UPDATE policy_version SET steps = \'[{"event": "PRIMARY", "days": 1}]\'',
    "schedule_shadow_side_check": "UPDATE schedule_shadow SET side = 'OTHER'",
    "day_off_check": "UPDATE day_off SET working_before = on_date",
    "day_off_check1": "UPDATE day_off SET working_after = on_date",
    "notification_schedule_idempotency_key_check": "UPDATE notification_schedule SET idempotency_key = 'x'",
    "known_occasion": "UPDATE notification_schedule SET occasion = 'full moon'",
    "known_event": "UPDATE notification_schedule SET event = 'third time'",
    "a_subject_is_one_thing": "UPDATE notification_schedule SET license_id = NULL",
    "notification_schedule_template_check": "UPDATE notification_schedule SET template = ''",
    "known_status": "UPDATE notification_schedule SET status = 'LOST'",
    "a_window_has_length": "UPDATE notification_schedule SET window_end = scheduled_at",
    "what_waits_has_a_deadline": "UPDATE notification_schedule SET send_by = NULL",
    "what_perishes_is_never_late": (
        "UPDATE notification_schedule SET perishable = true, late = true, status = 'LATE_PENDING'"
    ),
    "what_is_late_says_so": "UPDATE notification_schedule SET late = true",
    "what_is_in_flight_was_claimed": "UPDATE notification_schedule SET status = 'QUEUED'",
    "what_is_dropped_never_leaves": "UPDATE notification_schedule SET status = 'CANCELLED', reason = 'x'",
    "what_a_human_sees_has_a_reason": "UPDATE notification_schedule SET status = 'HELD'",
    "notification_outbox_idempotency_key_check": "UPDATE notification_outbox SET idempotency_key = 'x'",
    "notification_outbox_attempt_number_check": "UPDATE notification_outbox SET attempt_number = 0",
    "notification_outbox_check": "UPDATE notification_outbox SET lease_until = started_at",
    "notification_outbox_channel_check": "UPDATE notification_outbox SET channel = 'PIGEON'",
    "notification_outbox_sender_check": "UPDATE notification_outbox SET sender = ''",
    "notification_outbox_body_sha256_check": "UPDATE notification_outbox SET body_sha256 = 'x'",
    "notification_outbox_handle_check": "UPDATE notification_outbox SET handle = ''",
    "notification_outbox_probes_check": "UPDATE notification_outbox SET probes = -1",
    "a_channel_is_tried": "UPDATE notification_schedule SET channel_position = 2",
    "retries_are_counted": "UPDATE notification_schedule SET retry_count = -1",
    "tenants_at_least_once_check": "UPDATE tenants SET at_least_once = '{PIGEON}'",
    "tenants_messages_per_minute_check": "UPDATE tenants SET messages_per_minute = 0",
    "senders_provider_check": "UPDATE senders SET provider = 'pigeon'",
    "senders_messages_per_minute_check": "UPDATE senders SET messages_per_minute = 0",
    "senders_status_check": "UPDATE senders SET status = 'LOST'",
    "an_address_is_its_provider_s": "UPDATE senders SET provider = 'twilio-sms'",
    "a_mailbox_sends_30_a_minute": "UPDATE senders SET provider = 'graph', messages_per_minute = 31",
    "tenant_webhooks_url_check": "UPDATE tenant_webhooks SET url = 'ftp://clinic.test'",
    "ops_notices_kind_check": "UPDATE ops_notices SET kind = 'GOSSIP'",
    "ops_notices_provider_check": "UPDATE ops_notices SET provider = ''",
    "ops_notices_counts_check": "UPDATE ops_notices SET counts = '{}'",
    "ops_notices_attempts_check": "UPDATE ops_notices SET attempts = -1",
    "ops_notices_outcome_check": "UPDATE ops_notices SET outcome = 'LOST'",
    "ops_cursor_alone_check": "UPDATE ops_cursor SET alone = false",
    "provider_circuit_provider_check": "UPDATE provider_circuit SET provider = ''",
    "provider_circuit_state_check": "UPDATE provider_circuit SET state = 'BROKEN', retry_at = now()",
    "provider_circuit_failures_check": "UPDATE provider_circuit SET failures = -1",
    "provider_circuit_openings_check": "UPDATE provider_circuit SET openings = -1",
    "what_is_not_closed_is_tried_again": "UPDATE provider_circuit SET state = 'OPEN'",
    "sending_pace_subject_check": "UPDATE sending_pace SET subject = ''",
    "sending_pace_used_check": "UPDATE sending_pace SET used = -1",
    "notification_outbox_provider_check": "UPDATE notification_outbox SET provider = ''",
    "notification_outbox_recipient_check": "UPDATE notification_outbox SET recipient = ''",
    "notification_outbox_template_check": "UPDATE notification_outbox SET template = ''",
    "notification_outbox_outcome_check": "UPDATE notification_outbox SET outcome = 'LOST', finished_at = now()",
    "an_outcome_has_its_time": "UPDATE notification_outbox SET outcome = 'UNKNOWN'",
    "what_was_accepted_is_named": "UPDATE notification_outbox SET outcome = 'ACCEPTED', finished_at = now()",
    "scheduler_heartbeat_function_check": "UPDATE scheduler_heartbeat SET function = ''",
    "zone_offset_check": "UPDATE zone_offset SET local_until = local_from",
    "imports_source_name_check": "UPDATE imports SET source_name = ''",
    "imports_sha256_check": "UPDATE imports SET sha256 = 'x'",
    "imports_status_check": "UPDATE imports SET status = 'LOST', finished_at = now()",
    "imports_mapping_check": "UPDATE imports SET mapping = '[]'",
    "imports_date_order_check": "UPDATE imports SET date_order = 'moon-first'",
    "imports_check": "UPDATE imports SET finished_at = now()",
    "what_runs_was_read": "UPDATE imports SET sha256 = NULL",
    "imports_check1": "UPDATE imports SET failure = 'IntegrityError'",
    "provider_receipts_provider_check": "UPDATE provider_receipts SET provider = ''",
    "provider_receipts_event_id_check": "UPDATE provider_receipts SET event_id = ''",
    "provider_receipts_kind_check": "UPDATE provider_receipts SET kind = 'LOST'",
    "provider_receipts_suppresses_check": "UPDATE provider_receipts SET suppresses = 'WHIM'",
    "suppressions_address_sha256_check": "UPDATE suppressions SET address_sha256 = 'x'",
    "suppressions_channel_check": "UPDATE suppressions SET channel = ''",
    "suppressions_reason_check": "UPDATE suppressions SET reason = 'WHIM'",
    "acknowledgements_idempotency_key_check": "UPDATE acknowledgements SET idempotency_key = 'x'",
    "acknowledgements_answer_check": "UPDATE acknowledgements SET answer = 'PERHAPS'",
    "acknowledgements_via_check": "UPDATE acknowledgements SET via = 'RUMOUR'",
}


@pytest.fixture
def one_of_each(register: Register) -> Register:
    """One good row in every table that has a CHECK constraint."""
    tenant = register.tenant()
    clinician = register.clinician(tenant)
    register.license(tenant, clinician, date(2027, 2, 1))
    register.plan(NOW.replace(month=1))
    register.prescribe(clinician, DAILY)
    register.execute("DELETE FROM notification_schedule WHERE event <> 'PRIMARY'")
    register.execute(
        "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
        " lease_until, channel, provider, recipient, template) SELECT idempotency_key, tenant_id, 1, scheduled_at,"
        " scheduled_at, window_end, 'EMAIL', 'sendgrid', 'ada@clinic.test', template FROM notification_schedule"
    )
    register.execute(
        "INSERT INTO imports (tenant_id, source_name, sha256, status, mapping, started_at)"
        " VALUES (:tenant, 'r.csv', sha256('x'), 'RUNNING', '{}', :now)",
        tenant=tenant,
        now=NOW,
    )
    register.execute(
        "INSERT INTO person_dates (tenant_id, clinician_id, kind, on_date)"
        " SELECT tenant_id, clinician_id, 'BIRTHDAY', '1980-02-29' FROM clinicians"
    )
    register.execute(
        "INSERT INTO schedule_shadow (policy_id, policy_version, side, tenant_id, clinician_id, subject_id,"
        " occurrence, event, template, channels, zone, scheduled_at, window_end)"
        " SELECT policy_id, policy_version, 'ACTIVE', tenant_id, clinician_id, license_id, occurrence, event,"
        " template, channels, 'UTC', scheduled_at, window_end FROM notification_schedule"
    )
    acknowledge(register)
    suppress(register)
    register.execute(
        "INSERT INTO provider_receipts (at, taken_at, provider, event_id, kind, provider_message_id)"
        " VALUES (:now, :now, 'sendgrid', 'e', 'DELIVERED', 'm')",
        now=NOW,
    )
    register.execute(
        "INSERT INTO tenant_webhooks VALUES (:tenant, 'https://clinic.test', NULL, :now)",
        tenant=tenant,
        now=NOW,
    )
    register.sender(tenant, "desk@clinic.test")
    register.execute(
        "INSERT INTO ops_notices (tenant_id, kind, provider, until_seq, counts, created_at)"
        " VALUES (:tenant, 'GIVEN_UP', 'slack', 1, '[]', :now)",
        tenant=tenant,
        now=NOW,
    )
    with register.database.owner.begin() as connection:
        connection.execute(
            text("INSERT INTO api_pace VALUES (:tenant, '', :now, 1)"), {"tenant": tenant, "now": NOW}
        )
        connection.execute(
            text("INSERT INTO idempotent_request VALUES (:tenant, 'ada', 'k', sha256('x'), :now)"),
            {"tenant": tenant, "now": NOW},
        )
    register.execute("INSERT INTO provider_circuit (provider, changed_at) VALUES ('sendgrid', :now)", now=NOW)
    register.execute("INSERT INTO sending_pace VALUES ('channel:EMAIL', :now, 1)", now=NOW)
    register.execute("INSERT INTO metric_total VALUES ('messages_sent', '{}', 0, '{1}', 0)")
    register.execute("INSERT INTO day_off VALUES ('US', '2027-01-01', '2026-12-31', '2027-01-04')")
    register.execute("INSERT INTO scheduler_heartbeat (function, started_at) VALUES ('scan', :now)", now=NOW)
    return register


def test_every_constraint_refuses_its_bad_row(one_of_each: Register) -> None:
    for constraint, change in REFUSED.items():
        with one_of_each.database.owner.connect() as connection:
            # Foreign keys and the transition trigger have tests of their own.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            with pytest.raises(DatabaseError) as caught:
                connection.exec_driver_sql(change)
            assert violated(caught.value) == ("23514", constraint)


def violated(error: DatabaseError) -> tuple[str, str]:
    """SQLSTATE and constraint of PostgreSQL's error fields; pg8000 hands them over as one dict."""
    fields: dict[str, Any] = error.orig.args[0] if error.orig else {}
    return fields["C"], fields.get("n", "")


def test_every_constraint_of_the_schema_is_among_them(register: Register) -> None:
    known = register.rows("""
        SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
        WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND NOT relispartition""")
    assert {name for (name,) in known} == REFUSED.keys()


def test_a_person_s_zone_is_one_that_the_planner_can_convert(register: Register) -> None:
    with pytest.raises(DatabaseError, match="clinicians_timezone_fkey"):
        register.clinician(register.tenant(), timezone="Mars/Olympus")


def test_a_policy_has_one_active_version(register: Register) -> None:
    with pytest.raises(DatabaseError, match="policy_version_one_active"):
        register.execute(
            "INSERT INTO policy_version (policy_id, version, status, steps)"
            " SELECT policy_id, 2, 'ACTIVE', '[]' FROM renewal_policies"
        )


def test_a_notification_and_an_attempt_exist_once(one_of_each: Register) -> None:
    columns = (
        "tenant_id, clinician_id, license_id, policy_id, policy_version, occurrence, occasion_date, scheduled_at,"
        " window_end, next_attempt_at, send_by, created_at, updated_at, status, occasion, event, template"
    )
    for again in (
        (
            f"INSERT INTO notification_schedule (idempotency_key, {columns})"  # noqa: S608
            f" SELECT idempotency_key, {columns} FROM notification_schedule"
        ),
        (
            "INSERT INTO notification_outbox (idempotency_key, tenant_id, attempt_number, scheduled_at, started_at,"
            " lease_until, channel, provider, recipient, template) SELECT idempotency_key, tenant_id, attempt_number,"
            " scheduled_at, started_at, lease_until, channel, provider, recipient, template FROM notification_outbox"
        ),
    ):
        with pytest.raises(DatabaseError, match="duplicate key"):
            one_of_each.execute(again)
