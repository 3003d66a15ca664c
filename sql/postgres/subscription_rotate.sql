-- Moves a tenant's groups into the log's new id, whose events up to a position are those that they
-- have read; what stands beyond goes back to it: tenant, position. The readers are fenced. Gaps that
-- were accepted stay so: what was removed is gone under the new id too.
UPDATE subscriptions
SET version = version + 1,
    went_back_from = CASE
        WHEN position > $2 THEN greatest(position, coalesce(went_back_from, 0))
        ELSE went_back_from
    END,
    position = least(position, $2),
    delivered = least(delivered, $2),
    scanned = least(scanned, $2),
    generation = generation + 1,
    reader = NULL
WHERE tenant = $1
