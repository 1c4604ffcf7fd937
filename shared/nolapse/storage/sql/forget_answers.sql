-- Answers that were kept for repeats which do not come any more. Walks idempotent_request_by_age.
DELETE FROM idempotent_request WHERE created_at < :before
