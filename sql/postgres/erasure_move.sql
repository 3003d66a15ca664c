-- Notes the progress of an erasure: tenant, id, how many more events are empty, up to which position, and
-- that of the last ERASED event, if it was appended.
UPDATE erasures
SET events = events + $3, erased_to = greatest(erased_to, $4), last = $5
WHERE tenant = $1 AND id = $2 AND last IS NULL
