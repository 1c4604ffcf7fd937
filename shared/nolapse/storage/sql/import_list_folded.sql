-- The folded rows, in the shape of the rejects file: row_number, outcome, field, value, reason.
COPY (
  SELECT folded.row_number, 'folded', '', '', format('the same licence as row %s, which is later', kept.row_number)
  FROM import_rows AS folded
  JOIN import_licenses AS kept
    ON kept.tenant_id = folded.tenant_id AND kept.license_number = folded.license_number
    AND kept.license_type = folded.license_type AND coalesce(kept.state, '') = coalesce(folded.state, '')
  WHERE folded.row_number <> kept.row_number
  ORDER BY folded.row_number
) TO STDOUT WITH (FORMAT csv)
