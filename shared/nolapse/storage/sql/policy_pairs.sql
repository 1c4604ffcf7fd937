-- The two sides of a draft's shadow, notification by notification, included by what counts them: a chain of CTEs up
-- to `pair`. What is in flight, sent or dropped with a reason is settled: no policy moves it.
-- Parameters: :policy_id, :version (the draft), :now, :horizon (the sides reach beyond it, so that a step that a
-- draft moves across it is neither gained nor lost). Walks schedule_shadow_by_draft.
active AS (
  SELECT * FROM schedule_shadow WHERE (policy_id, policy_version, side) = (:policy_id, :version, 'ACTIVE')
),
draft AS (
  SELECT * FROM schedule_shadow WHERE (policy_id, policy_version, side) = (:policy_id, :version, 'DRAFT')
),
settled AS (
  SELECT DISTINCT subject_id, event, occurrence, clinician_id
  FROM notification_schedule
  WHERE (status NOT IN ('PENDING', 'LATE_PENDING', 'CANCELLED') OR (status = 'CANCELLED' AND claimed_at IS NOT NULL))
    AND reason IS DISTINCT FROM 'window closed before the lookback'
),
pair AS MATERIALIZED (
  SELECT
    clinician_id, subject_id, event, occurrence, coalesce(draft.zone, active.zone) AS zone,
    -- what could have left already leaves now; greatest() of NULL and now would be now
    CASE WHEN active.scheduled_at < :now THEN CAST(:now AS timestamptz) ELSE active.scheduled_at END AS active_at,
    CASE WHEN draft.scheduled_at < :now THEN CAST(:now AS timestamptz) ELSE draft.scheduled_at END AS draft_at,
    draft.window_end <= :now AS late,
    CASE
      WHEN settled.subject_id IS NOT NULL THEN 'settled'
      WHEN active.scheduled_at IS NULL THEN 'gained'
      WHEN draft.scheduled_at IS NULL THEN 'lost'
      WHEN (active.scheduled_at, active.window_end) <> (draft.scheduled_at, draft.window_end) THEN 'shifted'
      WHEN (active.template, active.channels) <> (draft.template, draft.channels) THEN 'reworded'
      ELSE 'unchanged'
    END AS change
  FROM active
  FULL JOIN draft USING (clinician_id, subject_id, event, occurrence)
  LEFT JOIN settled USING (clinician_id, subject_id, event, occurrence)
  WHERE least(active.scheduled_at, draft.scheduled_at) < :horizon  -- a missing side doesn't count
)
