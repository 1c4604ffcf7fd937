"""Let the schedule carry more than licences: dates of a person that come again every year, and who else is told.

What is expected once is one (subject, event, occurrence, recipient). The subject is a licence or a person's date;
the occurrence is an expiry date (2027-01-31) or a year (2027).
"""

from alembic import op

from migrations.tenancy import isolate

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    create_subjects()
    widen_policies()
    widen_schedule()


def create_subjects() -> None:
    op.execute("""
ALTER TABLE clinicians
  ADD COLUMN status text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'LEFT', 'DECEASED')),
  ADD COLUMN supervisor_id uuid CHECK (supervisor_id <> clinician_id),
  ADD FOREIGN KEY (tenant_id, supervisor_id) REFERENCES clinicians (tenant_id, clinician_id)
""")
    op.execute("CREATE INDEX clinicians_by_supervisor ON clinicians (tenant_id, supervisor_id)")
    op.execute("""
CREATE TABLE person_dates (
  person_date_id  uuid PRIMARY KEY DEFAULT uuidv7(),
  tenant_id       uuid NOT NULL REFERENCES tenants,
  clinician_id    uuid NOT NULL,
  kind            text NOT NULL CHECK (kind ~ '^[A-Z][A-Z_]*$' AND kind <> 'LICENSE_EXPIRY'),
  on_date         date CHECK (on_date BETWEEN '1900-01-01' AND '2099-12-31'),
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, clinician_id) REFERENCES clinicians (tenant_id, clinician_id),
  UNIQUE (tenant_id, clinician_id, kind)
)
""")
    op.execute(
        "COMMENT ON COLUMN person_dates.kind IS 'BIRTHDAY, ANNIVERSARY, or any other that has a policy'"
    )
    op.execute(
        "COMMENT ON COLUMN person_dates.on_date IS 'comes again every year after its own; NULL: no longer to be told'"
    )
    isolate("person_dates")
    # Feb 29 in a common year: Feb 28, or Mar 1 where the policy says so.
    op.execute("""
CREATE FUNCTION yearly_date(born date, in_year integer, leap_day text) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN extract(month FROM born) = 2 AND extract(day FROM born) = 29 AND (make_date(in_year, 3, 1) - make_date(in_year, 2, 1)) = 28
    THEN make_date(in_year, 3, 1) - CASE leap_day WHEN 'MAR_1' THEN 0 ELSE 1 END
  ELSE make_date(in_year, extract(month FROM born)::integer, extract(day FROM born)::integer)
END
""")


def widen_policies() -> None:
    op.execute("""
ALTER TABLE renewal_policies
  ADD COLUMN occasion text NOT NULL DEFAULT 'LICENSE_EXPIRY' CHECK (occasion ~ '^[A-Z][A-Z_]*$'),
  DROP CONSTRAINT renewal_policies_tenant_id_license_type_state_key,
  ADD UNIQUE NULLS NOT DISTINCT (tenant_id, occasion, license_type, state)
""")
    op.execute("""
ALTER TABLE policy_version
  ADD COLUMN leap_day text NOT NULL DEFAULT 'FEB_28' CHECK (leap_day IN ('FEB_28', 'MAR_1')),
  ADD COLUMN grace_days integer NOT NULL DEFAULT 0 CHECK (grace_days BETWEEN 0 AND 400),
  ADD COLUMN buffer_days integer NOT NULL DEFAULT 0 CHECK (buffer_days BETWEEN 0 AND 400),
  ADD COLUMN business_days text NOT NULL DEFAULT 'ANY' CHECK (business_days IN ('ANY', 'BEFORE', 'AFTER')),
  ADD COLUMN holidays text CHECK (holidays ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
  ADD COLUMN activated_at timestamptz,
  ADD CHECK (business_days = 'ANY' OR holidays IS NOT NULL)
""")
    op.execute(
        "COMMENT ON COLUMN policy_version.grace_days IS 'steps after the date count from the end of grace'"
    )
    op.execute(
        "COMMENT ON COLUMN policy_version.buffer_days IS 'how far a register lags: steps after the date wait so much longer'"
    )
    op.execute(
        "COMMENT ON COLUMN policy_version.holidays IS 'country or country-subdivision of ISO 3166 whose days off count'"
    )
    op.execute(
        "COMMENT ON COLUMN policy_version.steps IS "
        "'[{event, days, template, channels, recipients}], days before (-) or after (+) the date'"
    )
    op.execute("""
UPDATE policy_version SET steps = (
  SELECT jsonb_agg(step || '{"channels": ["EMAIL"], "recipients": ["HOLDER"]}') FROM jsonb_array_elements(steps) AS step
)
""")
    # A step without a recipient would silently tell nobody.
    op.execute("""
ALTER TABLE policy_version ADD CONSTRAINT every_step_is_whole CHECK (NOT steps @? '$[*] ? (
  !exists(@.event) || !exists(@.days) || !exists(@.template)
  || !exists(@.channels[*]) || !exists(@.recipients[*]))')
""")
    # A day off and the working days around it; a day that is not listed is a working day.
    op.execute("""
CREATE TABLE day_off (
  calendar        text NOT NULL,
  on_date         date NOT NULL,
  working_before  date NOT NULL CHECK (working_before < on_date),
  working_after   date NOT NULL CHECK (working_after > on_date),
  PRIMARY KEY (calendar, on_date)
)
""")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON day_off TO nolapse_engine")
    op.execute("GRANT SELECT ON day_off TO nolapse_api")


def widen_schedule() -> None:
    op.execute("""
ALTER TABLE notification_schedule
  ALTER COLUMN license_id DROP NOT NULL,
  ADD COLUMN person_date_id uuid REFERENCES person_dates,
  ADD COLUMN subject_id uuid GENERATED ALWAYS AS (coalesce(license_id, person_date_id)) VIRTUAL,
  ADD COLUMN occurrence text,
  ADD COLUMN channels text[] NOT NULL DEFAULT '{EMAIL}',
  DROP CONSTRAINT notification_schedule_occasion_check,
  DROP CONSTRAINT notification_schedule_event_check,
  ADD CONSTRAINT a_subject_is_one_thing CHECK (num_nonnulls(license_id, person_date_id) = 1),
  ADD CONSTRAINT known_occasion CHECK (occasion ~ '^[A-Z][A-Z_]*$'),
  ADD CONSTRAINT known_event CHECK (event ~ '^[A-Z][A-Z0-9_]*$')
""")
    op.execute("UPDATE notification_schedule SET occurrence = occasion_date::text")
    op.execute("ALTER TABLE notification_schedule ALTER COLUMN occurrence SET NOT NULL")
    op.execute("""
CREATE INDEX notification_schedule_by_person_date ON notification_schedule (person_date_id)
WHERE person_date_id IS NOT NULL
""")
