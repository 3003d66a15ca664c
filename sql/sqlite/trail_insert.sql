-- Writes a row of the trail.
INSERT INTO trail (time_ms, who, issuer, tenant, act, object, reason, request_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
