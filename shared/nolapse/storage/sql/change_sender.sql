-- Its provider and its address stay: with another it is another sender. Walks the primary key.
UPDATE senders SET messages_per_minute = :messages_per_minute, status = :status, updated_at = :now
WHERE sender_id = :sender_id
