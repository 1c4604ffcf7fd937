-- A held row as a human decided: sent, dropped, or waiting within what is left of its window or for a late one.
-- Dropped, it keeps its claim: planning then knows that a human let it go (plan.sql).
UPDATE notification_schedule
SET status = CAST(:status AS text),
    reason = CAST(:reason AS text),
    late = late OR :status = 'LATE_PENDING',
    claimed_at = CASE WHEN :status NOT IN ('PENDING', 'LATE_PENDING') THEN coalesce(claimed_at, :now) END,
    next_attempt_at = CASE :status WHEN 'PENDING' THEN scheduled_at WHEN 'LATE_PENDING' THEN 'infinity' END,
    send_by = CASE :status WHEN 'PENDING' THEN window_end WHEN 'LATE_PENDING' THEN 'infinity' WHEN 'SENT' THEN window_end END,
    retry_count = 0,
    correlation_id = coalesce(NULLIF(current_setting('app.correlation_id', true), ''), correlation_id),
    updated_at = :now
WHERE (idempotency_key, scheduled_at) = (:key, :scheduled_at) AND status = 'HELD'
