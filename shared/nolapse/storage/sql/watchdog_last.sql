-- When the last complete run began. Walks scheduler_heartbeat_latest.
SELECT started_at
FROM scheduler_heartbeat
WHERE function = 'watchdog' AND finished_at IS NOT NULL
ORDER BY started_at DESC
LIMIT 1
