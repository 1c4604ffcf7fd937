-- The rows of one import, seen by its transaction alone: an import that dies leaves nothing behind, and two at once
-- do not meet. Filled by COPY in the order of nolapse.planning.importing.records.Record.
CREATE TEMPORARY TABLE import_rows (
  row_number       bigint  NOT NULL,
  tenant_id        uuid    NOT NULL,
  license_number   text    NOT NULL,
  license_type     text    NOT NULL,
  state            text,
  expires_on       date,
  endless          boolean NOT NULL,
  status           text    NOT NULL,
  register_status  text,
  external_id      text    NOT NULL,
  identified       boolean NOT NULL,
  full_name        text,
  email            text,
  phone            text,
  whatsapp         text,
  timezone         text
) ON COMMIT DROP
