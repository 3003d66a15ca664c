-- A cursor that still stands where it was seen: the new place, then whose, then the old place.
UPDATE cursors
SET log_id = ?, position = ?, event_id = ?
WHERE tenant = ? AND follower = ? AND log_id = ? AND position = ? AND event_id = ?
