-- Whom an e-mail went to, as the page behind its link names them, and whether the link may still be used.
-- Nothing for what never left by e-mail. Walks primary keys, then the unique keys of notification_outbox and suppressions.
SELECT
  tenants.name AS clinic_name, mail.recipient,
  coalesce(person.links_revoked_at < :issued_at, true) AS link_is_good,
  EXISTS (
    SELECT FROM suppressions
    WHERE suppressions.tenant_id = notice.tenant_id AND address_sha256 = address_digest(mail.recipient)
      AND channel = 'EMAIL' AND reason = 'UNSUBSCRIBED' AND in_force) AS is_unsubscribed
FROM notification_schedule AS notice
JOIN tenants USING (tenant_id)
JOIN clinicians AS person USING (tenant_id, clinician_id)
JOIN LATERAL (
  SELECT recipient
  FROM notification_outbox AS attempt
  WHERE attempt.idempotency_key = notice.idempotency_key AND channel = 'EMAIL'
  ORDER BY attempt_number DESC
  LIMIT 1
) AS mail ON true
WHERE (notice.idempotency_key, notice.scheduled_at) = (:key, :scheduled_at)
