-- What receipts prove: their attempts left, whatever was recorded of them; a bounce, that nobody was told by them.
-- And what they say of addresses: nothing more to them, by the tenant that wrote or, told STOP, by all that know them.
-- A row whose last attempt is proven now is SENT, also where it waited to be sent again.
-- Walks primary keys, clinicians_by_phone, clinicians_by_whatsapp and the unique key of suppressions.
WITH receipt AS (
  SELECT receipt_id, provider, kind, attempt.attempt_id, tenant_id, channel, recipient, suppresses, at,
         receipt.code, receipt.provider_message_id
  FROM provider_receipts AS receipt
  JOIN notification_outbox AS attempt USING (attempt_id, provider)
  WHERE receipt_id = ANY (CAST(:receipts AS uuid[]))
),
no_longer_waiting AS (
  UPDATE provider_receipts
  SET applied_at = :now
  WHERE receipt_id = ANY (CAST(:receipts AS uuid[])) AND applied_at IS NULL
),
evidence AS (
  SELECT
    attempt_id,
    bool_or(kind = 'BOUNCED') AS bounced,
    min(code) FILTER (WHERE kind = 'BOUNCED') AS code,
    max(at) FILTER (WHERE kind IN ('DELIVERED', 'COMPLAINED', 'UNSUBSCRIBED')) AS delivered_at,
    min(provider_message_id) AS message_id
  FROM receipt
  GROUP BY attempt_id
),
proven AS (
  UPDATE notification_outbox AS attempt
  SET outcome = CASE WHEN bounced OR outcome = 'BOUNCED' THEN 'BOUNCED' ELSE 'ACCEPTED' END,
      -- the same whichever of two bounces came first
      code = CASE
        WHEN outcome = 'BOUNCED' THEN least(attempt.code, evidence.code)
        WHEN bounced THEN evidence.code
        WHEN outcome = 'ACCEPTED' THEN attempt.code
      END,
      provider_message_id = coalesce(provider_message_id, message_id),
      delivered_at = greatest(attempt.delivered_at, evidence.delivered_at),
      finished_at = coalesce(finished_at, :now)
  FROM evidence
  WHERE attempt.attempt_id = evidence.attempt_id
  RETURNING idempotency_key, scheduled_at, attempt_number,
            coalesce(old.outcome, '') NOT IN ('ACCEPTED', 'BOUNCED') AS is_news
),
said AS (
  SELECT tenant_id, address_digest(recipient) AS address, channel, suppresses AS reason, at AS since, NULL AS lifted_at
  FROM receipt
  WHERE suppresses IS NOT NULL
  UNION ALL
  SELECT
    tenant_id, address_digest(wish.address), channel, 'STOP',
    CASE WHEN stops THEN at END, CASE WHEN NOT stops THEN at END
  FROM unnest(
    CAST(:addresses AS text[]), CAST(:channels AS text[]), CAST(:stops AS boolean[]), CAST(:times AS timestamptz[])
  ) AS wish (address, channel, stops, at)
  JOIN clinicians
    ON (wish.channel = 'SMS' AND clinicians.phone = wish.address)
    OR (wish.channel = 'WHATSAPP' AND clinicians.whatsapp = wish.address)
),
suppressed AS (
  INSERT INTO suppressions (tenant_id, address_sha256, channel, reason, since, lifted_at, updated_at)
  SELECT tenant_id, address, channel, reason, coalesce(max(since), '-infinity'), max(lifted_at), :now
  FROM said
  GROUP BY tenant_id, address, channel, reason
  ORDER BY tenant_id, address, channel, reason
  ON CONFLICT (tenant_id, address_sha256, channel, reason) DO UPDATE
  SET since = greatest(suppressions.since, excluded.since),
      lifted_at = greatest(suppressions.lifted_at, excluded.lifted_at),
      updated_at = excluded.updated_at
)
UPDATE notification_schedule AS schedule
SET status = 'SENT', reason = NULL, claimed_at = coalesce(claimed_at, :now),
    send_by = coalesce(send_by, window_end), updated_at = :now
FROM proven
WHERE (schedule.idempotency_key, schedule.scheduled_at) = (proven.idempotency_key, proven.scheduled_at)
  AND is_news AND attempt_count = attempt_number
  AND status IN ('PENDING', 'LATE_PENDING', 'QUEUED', 'SENDING', 'UNKNOWN', 'HELD', 'DEFERRED')
