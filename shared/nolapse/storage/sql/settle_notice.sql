-- NULL leaves it open, for the next run. Walks the primary key.
UPDATE ops_notices SET outcome = :outcome, code = :code WHERE notice_id = :notice_id
