-- One side of a draft's shadow: what the dates that fall under :policy_id call for, by the draft (:drafts names the
-- policy) or by what is active (:drafts is empty). Parameters: those of expected.sql; :version, :side.
-- A date falls under the policy where the policy fits it and no more specific one does; the same test serves both
-- sides, because with the draft away a less specific policy decides for the same dates.
-- Reads whole tables: the caller turns nested loops off.
WITH
-- include expected
INSERT INTO schedule_shadow (
  policy_id, policy_version, side, tenant_id, clinician_id, subject_id, occurrence, event, template, channels, zone,
  scheduled_at, window_end)
SELECT
  judged.policy_id, :version, CAST(:side AS text), expected.tenant_id, expected.clinician_id, subject_id, occurrence, event, template, channels, zone,
  scheduled_at, window_end
FROM expected
LEFT JOIN licenses USING (license_id)
JOIN renewal_policies AS deciding ON deciding.policy_id = expected.policy_id
JOIN renewal_policies AS judged
  ON judged.policy_id = :policy_id
  AND judged.occasion = expected.occasion
  AND (judged.tenant_id IS NULL OR judged.tenant_id = expected.tenant_id)
  AND (judged.license_type IS NULL OR judged.license_type = licenses.license_type)
  AND (judged.state IS NULL OR judged.state = licenses.state)
  AND (judged.tenant_id IS NULL, judged.license_type IS NULL, judged.state IS NULL)
    <= (deciding.tenant_id IS NULL, deciding.license_type IS NULL, deciding.state IS NULL)
WHERE window_end > :late_since
