-- What operators are to be told of what the audit log says in (:after, :until]: given up, or held back by a flag that
-- says ops only; per tenant, kind, event and reason, with some of the keys, most first.
-- Walks audit_log's primary key from :after on, then notification_schedule by key.
WITH news AS (
  SELECT
    seq, tenant_id, reason, substr(subject, 14) AS key,
    CASE to_status WHEN 'DEFERRED' THEN 'GIVEN_UP' ELSE 'INSTEAD' END AS kind
  FROM audit_log
  WHERE seq > :after AND seq <= :until AND action = 'notification.transition'
    AND (to_status = 'DEFERRED' OR (to_status = 'SUPPRESSED' AND starts_with(reason, 'flag: ') AND reason LIKE '%, ops only'))
)
SELECT
  news.tenant_id, slug AS tenant, kind, coalesce(event, 'GONE') AS event, news.reason, count(*) AS count,
  (array_agg(key ORDER BY seq))[1:10] AS keys
FROM news
JOIN tenants USING (tenant_id)
LEFT JOIN notification_schedule AS schedule ON schedule.idempotency_key = decode(key, 'hex')
GROUP BY news.tenant_id, slug, kind, event, news.reason
ORDER BY slug, kind, count DESC, event, news.reason
