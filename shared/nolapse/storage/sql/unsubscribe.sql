-- No more e-mail of this tenant to this address. Said again, it changes nothing. Walks the unique key of suppressions.
INSERT INTO suppressions (tenant_id, address_sha256, channel, reason, since, updated_at)
VALUES (:tenant_id, address_digest(:address), 'EMAIL', 'UNSUBSCRIBED', :now, :now)
ON CONFLICT (tenant_id, address_sha256, channel, reason) DO UPDATE
SET since = greatest(suppressions.since, excluded.since), updated_at = excluded.updated_at
WHERE NOT suppressions.in_force
