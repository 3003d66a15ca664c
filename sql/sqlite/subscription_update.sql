-- Changes a subscription, unless it has changed since it was found: tenant, group, form, position,
-- delivered, scanned, accepted gaps, generation, reader, end of its lease, milliseconds, where it went
-- back from, version, parts, halt.
UPDATE subscriptions
SET version = version + 1,
    form = ?3,
    position = ?4,
    delivered = ?5,
    scanned = ?6,
    gaps_to = ?7,
    generation = ?8,
    reader = ?9,
    expires_ms = ?10,
    ttl_ms = ?11,
    went_back_from = ?12,
    parts = ?14,
    halt = ?15
WHERE tenant = ?1 AND name = ?2 AND version = ?13
