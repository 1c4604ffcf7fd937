"""Create medications and their doses: dates that recur within days, each with a window of its own."""

from alembic import op

from migrations.tenancy import isolate

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    create_medications()
    create_doses()
    widen_schedule()
    add_default_policy()


def create_medications() -> None:
    op.execute("""
ALTER TABLE clinicians
  DROP CONSTRAINT clinicians_role_check,
  ADD CHECK (role IN ('CLINICIAN', 'SUPERVISOR', 'STAFF', 'PATIENT', 'CAREGIVER'))
""")
    op.execute("""
CREATE TABLE medications (
  medication_id       uuid PRIMARY KEY DEFAULT uuidv7(),
  tenant_id           uuid NOT NULL REFERENCES tenants,
  clinician_id        uuid NOT NULL,
  caregiver_id        uuid CHECK (caregiver_id <> clinician_id),
  label               text NOT NULL CHECK (label <> ''),
  starts_at           timestamp NOT NULL CHECK (starts_at BETWEEN '1970-01-01' AND '2099-12-31'),
  timezone            text NOT NULL REFERENCES zone,
  rrule               text NOT NULL CHECK (rrule LIKE 'FREQ=%'),
  exdates             timestamp[] NOT NULL DEFAULT '{}',
  lateness            text NOT NULL DEFAULT 'SHORTEN' CHECK (lateness IN ('SEND', 'SHORTEN', 'SUPPRESS')),
  on_time_minutes     integer NOT NULL DEFAULT 30 CHECK (on_time_minutes BETWEEN 5 AND 1440),
  safe_minutes        integer NOT NULL DEFAULT 120 CHECK (safe_minutes BETWEEN 5 AND 1440),
  least_gap_minutes   integer NOT NULL DEFAULT 60 CHECK (least_gap_minutes BETWEEN 5 AND 1440),
  status              text NOT NULL DEFAULT 'ACTIVE' CHECK (status IN ('ACTIVE', 'STOPPED')),
  effective_from      timestamptz NOT NULL,
  expanded_until      timestamptz,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT on_time_is_safe CHECK (on_time_minutes <= safe_minutes),
  FOREIGN KEY (tenant_id, clinician_id) REFERENCES clinicians (tenant_id, clinician_id),
  FOREIGN KEY (tenant_id, caregiver_id) REFERENCES clinicians (tenant_id, clinician_id),
  UNIQUE (tenant_id, medication_id)
)
""")
    for column, comment in {
        "label": "what messages call it: as discreet as the person wants it",
        "starts_at": "DTSTART of RFC 5545, local time of timezone, its TZID",
        "rrule": "RRULE of RFC 5545, with what domain/recurrence.py refuses left out",
        "exdates": "EXDATE of RFC 5545, local times of timezone",
        "lateness": "what becomes of a reminder after on_time_minutes",
        "safe_minutes": "after so long nobody is told to take it any more",
        "least_gap_minutes": "no two reminders closer than this, also across an edit",
        "effective_from": "doses before it belong to an earlier regimen, or to nobody",
        "expanded_until": "doses are stored up to here; NULL: none yet",
    }.items():
        op.execute(f"COMMENT ON COLUMN medications.{column} IS '{comment}'")
    for column in ("clinician_id", "caregiver_id"):
        op.execute(f"CREATE INDEX medications_by_{column[:-3]} ON medications (tenant_id, {column})")
    op.execute("CREATE INDEX medications_by_timezone ON medications (timezone)")
    isolate("medications")


def create_doses() -> None:
    op.execute("""
CREATE TABLE doses (
  medication_id  uuid        NOT NULL,
  tenant_id      uuid        NOT NULL,
  occurrence     text        NOT NULL,
  due_on         date        NOT NULL,
  due_at         timestamptz NOT NULL,
  closes_at      timestamptz NOT NULL CHECK (closes_at > due_at),
  PRIMARY KEY (medication_id, occurrence),
  FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, medication_id)
)
""")
    op.execute(
        "COMMENT ON TABLE doses IS 'recurrences of medications, expanded for the coming days (planning/doses.py)'"
    )
    op.execute(
        "COMMENT ON COLUMN doses.occurrence IS 'its nominal time: local, or UTC (Z) where it recurs by hours'"
    )
    op.execute("CREATE INDEX doses_by_medication ON doses (tenant_id, medication_id)")
    isolate("doses", api="SELECT, INSERT, UPDATE, DELETE")


def widen_schedule() -> None:
    op.execute("""
ALTER TABLE notification_schedule
  ADD COLUMN medication_id uuid,
  ADD COLUMN perishable boolean NOT NULL DEFAULT false,
  ADD COLUMN unless_event text,
  ADD FOREIGN KEY (tenant_id, medication_id) REFERENCES medications (tenant_id, medication_id),
  DROP COLUMN subject_id,
  ADD COLUMN subject_id uuid GENERATED ALWAYS AS (coalesce(license_id, person_date_id, medication_id)) VIRTUAL,
  DROP CONSTRAINT a_subject_is_one_thing,
  ADD CONSTRAINT a_subject_is_one_thing CHECK (num_nonnulls(license_id, person_date_id, medication_id) = 1),
  ADD CONSTRAINT what_perishes_is_never_late CHECK (NOT (perishable AND status = 'LATE_PENDING'))
""")
    op.execute(
        "COMMENT ON COLUMN notification_schedule.perishable IS 'of no use after its window: never sent late'"
    )
    op.execute(
        "COMMENT ON COLUMN notification_schedule.unless_event IS "
        "'not said where this event of the same occurrence was told'"
    )
    op.execute("""
CREATE INDEX notification_schedule_by_medication ON notification_schedule (tenant_id, medication_id)
WHERE medication_id IS NOT NULL
""")
    # What may be needless by the time it is due: a handful at any moment.
    op.execute("""
CREATE INDEX notification_schedule_conditional ON notification_schedule (scheduled_at)
WHERE claimed_at IS NULL AND send_by IS NOT NULL AND (unless_event IS NOT NULL OR perishable)
""")


def add_default_policy() -> None:
    op.execute("""
UPDATE policy_version SET steps = (
  SELECT jsonb_agg('{"perishable": false, "unless": null}' || step) FROM jsonb_array_elements(steps) AS step
)
""")
    op.execute("""
WITH made AS (
  INSERT INTO renewal_policies (occasion, name) VALUES ('DOSE', 'dose') RETURNING policy_id
)
INSERT INTO policy_version (policy_id, version, status, opens, closes, activated_at, steps)
SELECT policy_id, 1, 'ACTIVE', '00:00', '23:59', now(), '[
  {"event": "DOSE", "days": 0, "template": "dose", "channels": ["EMAIL"], "recipients": ["HOLDER"],
   "perishable": true, "unless": null},
  {"event": "MISSED_DOSE", "days": 0, "template": "missed_dose", "channels": ["EMAIL"], "recipients": ["CAREGIVER"],
   "perishable": false, "unless": "DOSE"}
]'
FROM made
""")
