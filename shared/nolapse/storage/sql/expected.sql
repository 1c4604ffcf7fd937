-- What the dates of a scope call for: a chain of CTEs up to `expected`, included by every statement that plans,
-- compares, forecasts or shows. Another kind of occasion is one more branch of `subject`, or, where it is a date of
-- a person that comes again every year, no more than a policy. Doses bring windows of their own (planning/doses.py).
-- Scope: :tenant_id and :clinician_ids (holders), NULL meaning all. Times: :now, :horizon (windows that open before
-- it), :late_since (what comes every year is over when its window closed before). :drafts: policies judged by their draft instead of the active version.
subject AS (
  SELECT
    'LICENSE_EXPIRY' AS occasion, tenant_id, clinician_id AS holder_id, license_id, CAST(NULL AS uuid) AS person_date_id,
    CAST(NULL AS uuid) AS medication_id, CAST(NULL AS uuid) AS caregiver_id, license_type, coalesce(state, '') AS state, expires_on AS on_date, false AS yearly
  FROM licenses
  WHERE status = 'ACTIVE' AND expires_on IS NOT NULL
    AND (CAST(:tenant_id AS uuid) IS NULL OR tenant_id = CAST(:tenant_id AS uuid))
    AND (CAST(:clinician_ids AS uuid[]) IS NULL OR clinician_id = ANY (CAST(:clinician_ids AS uuid[])))
  UNION ALL
  SELECT
    kind, tenant_id, clinician_id, NULL, person_date_id,
    NULL, NULL, '', '', on_date, true
  FROM person_dates
  WHERE on_date IS NOT NULL
    AND (CAST(:tenant_id AS uuid) IS NULL OR tenant_id = CAST(:tenant_id AS uuid))
    AND (CAST(:clinician_ids AS uuid[]) IS NULL OR clinician_id = ANY (CAST(:clinician_ids AS uuid[])))
  UNION ALL
  SELECT
    'DOSE', tenant_id, clinician_id, NULL, NULL,
    medication_id, caregiver_id, '', '', NULL, false
  FROM medications
  WHERE status = 'ACTIVE'
    AND (CAST(:tenant_id AS uuid) IS NULL OR tenant_id = CAST(:tenant_id AS uuid))
    AND (CAST(:clinician_ids AS uuid[]) IS NULL OR clinician_id = ANY (CAST(:clinician_ids AS uuid[])))
),
person AS NOT MATERIALIZED (  -- one person by its key, or all of them, as the scope is
  SELECT clinician_id, supervisor_id, coalesce(clinicians.timezone, tenants.timezone) AS zone
  FROM clinicians
  JOIN tenants USING (tenant_id)
  WHERE status = 'ACTIVE'
),
kind AS (
  SELECT DISTINCT tenant_id, occasion, license_type, state FROM subject
),
rule AS (  -- the most specific policy of each kind
  SELECT DISTINCT ON (kind.tenant_id, kind.occasion, kind.license_type, kind.state)
    kind.tenant_id, kind.occasion, kind.license_type, kind.state, policy_id, version AS policy_version,
    opens, closes, leap_day, grace_days + buffer_days AS pause_days, business_days, holidays, steps
  FROM kind
  JOIN renewal_policies AS policy
    ON policy.occasion = kind.occasion
    AND (policy.tenant_id IS NULL OR policy.tenant_id = kind.tenant_id)
    AND (policy.license_type IS NULL OR policy.license_type = kind.license_type)
    AND (policy.state IS NULL OR policy.state = kind.state)
  JOIN policy_version USING (policy_id)
  WHERE policy_version.status
    = CASE WHEN policy_id = ANY (CAST(:drafts AS uuid[])) THEN 'DRAFT' ELSE 'ACTIVE' END
  ORDER BY kind.tenant_id, kind.occasion, kind.license_type, kind.state,
    policy.tenant_id IS NULL, policy.license_type IS NULL, policy.state IS NULL
),
step AS MATERIALIZED (
  SELECT
    rule.tenant_id, rule.occasion, rule.license_type, rule.state, policy_id, policy_version,
    opens, closes, leap_day, business_days, holidays, event, template, recipient, unless,
    coalesce(perishable, false) AS perishable,
    days + CASE WHEN days > 0 THEN pause_days ELSE 0 END AS days,
    ARRAY(SELECT jsonb_array_elements_text(channels)) AS channels
  FROM rule
  CROSS JOIN LATERAL jsonb_to_recordset(steps)
    AS given (
      event text, days integer, template text, channels jsonb, recipients jsonb, perishable boolean, unless text)
  CROSS JOIN LATERAL jsonb_array_elements_text(recipients) AS recipient
),
occurring AS (
  SELECT subject.*, on_date AS occasion_date, to_char(on_date, 'YYYY-MM-DD') AS occurrence
  FROM subject
  WHERE NOT yearly AND on_date IS NOT NULL
  UNION ALL
  SELECT subject.*, yearly_date(on_date, in_year, leap_day), CAST(in_year AS text)
  FROM subject
  JOIN rule USING (tenant_id, occasion, license_type, state)
  CROSS JOIN generate_series(
    CAST(extract(year FROM CAST(:late_since AS timestamptz) AT TIME ZONE 'UTC') AS integer) - 1,
    CAST(extract(year FROM CAST(:horizon AS timestamptz) AT TIME ZONE 'UTC') AS integer) + 1) AS in_year
  WHERE yearly AND in_year > extract(year FROM on_date)
),
watched AS (  -- whose each date is and who watches over them: looked up once, not for every step of their policy
  SELECT
    occurring.*, holder.zone AS holder_zone, supervisor.clinician_id AS supervisor_id, supervisor.zone AS supervisor_zone
  FROM occurring
  -- by their ids alone: a tenant in the condition would invite a join of every step with every person
  JOIN person AS holder ON holder.clinician_id = occurring.holder_id
  LEFT JOIN person AS supervisor ON supervisor.clinician_id = holder.supervisor_id
  OFFSET 0  -- a fence: of steps the optimiser expects few, and would join them first and hash their rows, wide and many
),
called_for AS (
  SELECT
    watched.tenant_id, CASE step.recipient WHEN 'SUPERVISOR' THEN supervisor_id ELSE holder_id END AS clinician_id,
    license_id, person_date_id, yearly, watched.occasion, occurrence,
    occasion_date, step.policy_id, step.policy_version, step.event, step.template, step.channels, step.perishable,
    step.unless, step.opens, step.closes,
    CASE step.recipient WHEN 'SUPERVISOR' THEN supervisor_zone ELSE holder_zone END AS zone,
    CASE step.business_days
      WHEN 'BEFORE' THEN coalesce(working_before, occasion_date + days)
      WHEN 'AFTER' THEN coalesce(working_after, occasion_date + days)
      ELSE occasion_date + days
    END AS on_date
  FROM watched
  JOIN step USING (tenant_id, occasion, license_type, state)
  LEFT JOIN day_off ON (day_off.calendar, day_off.on_date) = (step.holidays, occasion_date + days)
  WHERE step.recipient <> 'SUPERVISOR' OR supervisor_id IS NOT NULL
),
opening AS MATERIALIZED (  -- each local window once: many people share a zone and a date
  SELECT
    zone, on_date, opens, closes,
    (on_date + opens - at_opening.utc_offset) AT TIME ZONE 'UTC' AS window_start,
    (on_date + closes - at_closing.utc_offset) AT TIME ZONE 'UTC' AS window_end
  FROM (SELECT DISTINCT zone, on_date, opens, closes FROM called_for) AS local_window
  CROSS JOIN LATERAL (
    SELECT utc_offset FROM zone_offset
    WHERE zone_offset.zone = local_window.zone AND local_from <= on_date + opens
    ORDER BY local_from DESC LIMIT 1
  ) AS at_opening
  CROSS JOIN LATERAL (
    SELECT utc_offset FROM zone_offset
    WHERE zone_offset.zone = local_window.zone AND local_from <= on_date + closes
    ORDER BY local_from DESC LIMIT 1
  ) AS at_closing
),
windowed AS (
  SELECT
    tenant_id, clinician_id, license_id, person_date_id, CAST(NULL AS uuid) AS medication_id, yearly AS recurs,
    policy_id, policy_version, occasion, occurrence, occasion_date, event, template, channels, perishable, unless, zone,
    window_start,
    -- a window that a clock change swallows keeps its nominal length
    CASE WHEN window_end > window_start THEN window_end ELSE window_start + (closes - opens) END AS window_end
  FROM called_for
  JOIN opening USING (zone, on_date, opens, closes)
  UNION ALL
  SELECT
    subject.tenant_id, recipient.clinician_id, NULL, NULL, medication_id, true,
    policy_id, policy_version, subject.occasion, occurrence, due_on, event, template, channels, perishable, unless,
    recipient.zone,
    -- who is told where the taker was not, is told when it is too late for them
    CASE WHEN unless IS NULL THEN due_at ELSE closes_at END,
    CASE WHEN unless IS NULL THEN closes_at ELSE closes_at + interval '12 hours' END
  FROM subject
  JOIN (SELECT medication_id, occurrence, due_on, due_at, closes_at FROM doses) AS dose USING (medication_id)
  JOIN step USING (tenant_id, occasion, license_type, state)
  JOIN person AS holder ON holder.clinician_id = subject.holder_id
  JOIN person AS recipient
    ON recipient.clinician_id
      = CASE step.recipient WHEN 'CAREGIVER' THEN subject.caregiver_id WHEN 'HOLDER' THEN holder.clinician_id END
),
expected AS (
  SELECT
    tenant_id, clinician_id, license_id, person_date_id, medication_id,
    coalesce(license_id, person_date_id, medication_id) AS subject_id,
    policy_id, policy_version, occasion, occurrence, occasion_date, event, template, channels, perishable,
    unless AS unless_event, zone, window_start AS scheduled_at, window_end,
    sha256(convert_to(
      concat_ws('|', clinician_id, coalesce(license_id, person_date_id, medication_id), template,
        CAST(extract(epoch FROM window_start) AS bigint)), 'UTF8'
    )) AS idempotency_key
  FROM windowed
  -- a step may fall into the year before or after its date's, but nobody is owed last year's birthday
  WHERE window_start < :horizon AND (NOT recurs OR window_end > :late_since)
    -- what was forgotten is not expected again
    AND window_start >= (SELECT until_at FROM schedule_anchor)
)
