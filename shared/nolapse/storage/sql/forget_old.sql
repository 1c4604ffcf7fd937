-- What is older than its table keeps it; each parameter is that table's last instant. What is not settled stays.
-- Walks notification_outbox_by_start, acknowledgements_by_time, idempotent_request_by_age and the small tables whole.
WITH
attempts AS (
  DELETE FROM notification_outbox WHERE started_at < :notification_outbox AND outcome <> 'UNKNOWN' RETURNING 1
),
answers AS (DELETE FROM acknowledgements WHERE at < :acknowledgements RETURNING 1),
notices AS (DELETE FROM ops_notices WHERE created_at < :ops_notices AND outcome IS NOT NULL RETURNING 1),
requests AS (DELETE FROM idempotent_request WHERE created_at < :idempotent_request RETURNING 1),
registers AS (DELETE FROM imports WHERE coalesce(finished_at, started_at) < :imports RETURNING 1),
heartbeats AS (DELETE FROM scheduler_heartbeat WHERE started_at < :scheduler_heartbeat RETURNING 1),
sent AS (DELETE FROM sending_pace WHERE slot < :sending_pace RETURNING 1),
asked AS (DELETE FROM api_pace WHERE slot < :api_pace RETURNING 1)
SELECT
  (SELECT count(*) FROM attempts) AS notification_outbox,
  (SELECT count(*) FROM answers) AS acknowledgements,
  (SELECT count(*) FROM notices) AS ops_notices,
  (SELECT count(*) FROM requests) AS idempotent_request,
  (SELECT count(*) FROM registers) AS imports,
  (SELECT count(*) FROM heartbeats) AS scheduler_heartbeat,
  (SELECT count(*) FROM sent) AS sending_pace,
  (SELECT count(*) FROM asked) AS api_pace
