-- When a tenant's notification is scheduled, by which its partition is found. Walks the primary key of every partition.
SELECT scheduled_at FROM notification_schedule WHERE tenant_id = :tenant_id AND idempotency_key = :key
