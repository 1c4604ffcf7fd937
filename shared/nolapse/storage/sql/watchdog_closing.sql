-- Everybody's rows that have been open since :opened_by and unsent still, although they must leave by :closing_by.
-- What was put off beyond its closing counts too. What waits for a late window (send_by infinity) has no closing. Reads the last days' rows that wait or are under way.
SELECT idempotency_key
FROM notification_schedule
WHERE scheduled_at <= :opened_by AND status IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING')
  AND (next_attempt_at <= :opened_by OR next_attempt_at >= send_by OR attempt_count > 0)
  AND send_by > :now AND send_by <= :closing_by
