-- What is to become of something that is parked: what, why, whose.
UPDATE parked
SET asked = ?, reason = ?
WHERE tenant = ? AND event_id = ? AND state = 'parked'
