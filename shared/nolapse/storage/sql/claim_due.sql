-- PENDING and LATE_PENDING rows whose window is open become QUEUED: earliest deadline first, tenants in turn.
-- Nothing leaves before its scheduled_at: said again for the planner's sake, which then skips the months ahead.
-- Each tenant that has something due gets an equal share of the limit; who has less than that leaves room for the next
-- round.
-- Walks notification_schedule_to_send twice per tenant: a deadline lies at most a day ahead, or the window, the longest
-- of the longest day, is claimed from a day before its end. Locked where it is found, a row is not looked for again; the
-- few that are locked and exceed the limit are free at the commit. Then the primary key, by an array of keys alone: an
-- array of times beside it makes the index look for each key at each time, and a join to a set of unknown size makes
-- the optimiser read the history of all months whole.
WITH waiting_tenant AS (
  SELECT tenant_id, CAST(ceil(CAST(:limit AS float) / count(*) OVER ()) AS bigint) AS share
  FROM tenants
  CROSS JOIN LATERAL (
    SELECT FROM notification_schedule AS waiting
    WHERE waiting.tenant_id = tenants.tenant_id
      AND claimed_at IS NULL AND scheduled_at <= :now
      AND send_by > :now AND send_by <= CAST(:now AS timestamptz) + interval '24 hours'
      AND next_attempt_at <= :now
    ORDER BY send_by
    LIMIT 1
  ) AS earliest
),
due AS (
  SELECT idempotency_key, scheduled_at
  FROM waiting_tenant
  CROSS JOIN LATERAL (
    SELECT idempotency_key, scheduled_at, send_by, row_number() OVER (ORDER BY send_by) AS turn
    FROM (
      SELECT idempotency_key, scheduled_at, send_by
      FROM notification_schedule AS waiting
      WHERE waiting.tenant_id = waiting_tenant.tenant_id
        AND claimed_at IS NULL AND scheduled_at <= :now
        AND send_by > :now AND send_by <= CAST(:now AS timestamptz) + interval '24 hours'
        AND next_attempt_at <= :now AND status IN ('PENDING', 'LATE_PENDING')
      ORDER BY send_by
      LIMIT share
      FOR UPDATE SKIP LOCKED
    ) AS earliest
  ) AS queue
  ORDER BY turn, send_by
  LIMIT :limit
)
UPDATE notification_schedule
SET status = 'QUEUED', claimed_at = :now, updated_at = :now
WHERE idempotency_key = ANY (ARRAY(SELECT idempotency_key FROM due))
  AND scheduled_at >= (SELECT min(scheduled_at) FROM due) AND scheduled_at <= :now
RETURNING idempotency_key, scheduled_at, tenant_id, correlation_id
