-- One entry per thing that was done by hand, whoever's it was.
SELECT append_audit(
  CAST(:tenants AS uuid[]), array_fill(CAST(:now AS timestamptz), ARRAY[cardinality(CAST(:subjects AS text[]))]),
  CAST(:action AS text), CAST(:subjects AS text[]), NULL, NULL, CAST(:reasons AS text[]))
