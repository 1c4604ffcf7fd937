-- One suppression lifted by hand, if it is in force. The audit entry is written by the database itself.
-- Walks the primary key.
UPDATE suppressions
SET lifted_at = greatest(:now, since), updated_at = :now
WHERE suppression_id = :suppression_id AND in_force
