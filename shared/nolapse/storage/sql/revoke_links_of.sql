-- Links to a person's calendar and in messages to them that were issued up to now are dead. Walks the primary key.
UPDATE clinicians SET links_revoked_at = :now
WHERE clinician_id = :clinician_id AND deleted_at IS NULL
RETURNING links_revoked_at
