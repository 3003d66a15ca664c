-- Writes a row of the trail, with the store's time.
INSERT INTO trail (time_ms, who, issuer, tenant, act, object, reason, request_id)
VALUES (now_ms(), $1, $2, $3, $4, $5, $6, $7)
