-- What is to become of something that is parked, unless that was said already: what, why, whose.
UPDATE parked
SET requested = $1, reason = $2
WHERE tenant = $3 AND event_id = $4::uuid AND state = 'parked' AND requested IS NULL
