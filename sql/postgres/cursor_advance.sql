-- A cursor that still stands where it was seen: whose, the new place, then the old place.
UPDATE cursors
SET log_id = $3::uuid, position = $4, event_id = $5::uuid
WHERE tenant = $1 AND follower = $2 AND log_id = $6::uuid AND position = $7 AND event_id = $8::uuid
