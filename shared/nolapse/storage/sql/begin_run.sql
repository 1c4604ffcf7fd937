INSERT INTO scheduler_heartbeat (function, started_at) VALUES (:function, :now) RETURNING run_id
