-- What is to become of something that is parked, unless that was said already: what, why, whose.
UPDATE parked
SET requested = ?, reason = ?
WHERE tenant = ? AND event_id = ? AND state = 'parked' AND requested IS NULL
