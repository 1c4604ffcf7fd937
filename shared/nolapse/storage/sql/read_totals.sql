-- Every slot of every series; as many rows as there are series, not as there are observations.
SELECT metric, labels, buckets, total FROM metric_total ORDER BY metric, labels, slot
