-- One row for each licence, its latest: one that never expires, else the latest expiry, else the row further down.
-- A row that says nothing about its expiry gives way to one that does. One sort of the staged rows.
CREATE TEMPORARY TABLE import_licenses ON COMMIT DROP AS
SELECT DISTINCT ON (tenant_id, license_number COLLATE "C", license_type COLLATE "C", coalesce(state, '') COLLATE "C")
  import_rows.*
FROM import_rows
ORDER BY
  tenant_id, license_number COLLATE "C", license_type COLLATE "C", coalesce(state, '') COLLATE "C",
  endless DESC, expires_on DESC NULLS LAST, row_number DESC
