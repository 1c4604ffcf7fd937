-- A batch of rows; an empty unquoted cell is NULL.
COPY import_rows FROM STDIN WITH (FORMAT csv)
