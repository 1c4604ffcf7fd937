-- The circuits that are not simply closed, and which of them this run may try with one message: `ours`. A trial that
-- nobody reported on by :trial_until may be taken again. A row per provider: read whole.
WITH trial AS (
  UPDATE provider_circuit
  SET state = 'HALF_OPEN', retry_at = :trial_until, changed_at = :now
  WHERE state <> 'CLOSED' AND retry_at <= :now
  RETURNING provider
)
SELECT provider, retry_at, trial.provider IS NOT NULL AS ours
FROM provider_circuit
LEFT JOIN trial USING (provider)
WHERE state <> 'CLOSED' OR failures > 0
