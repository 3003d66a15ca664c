-- Changes a subscription, unless it has changed since it was found: tenant, group, form, position,
-- delivered, scanned, generation, reader, end of its lease, milliseconds, where it went back from,
-- version.
UPDATE subscriptions
SET version = version + 1,
    form = ?3,
    position = ?4,
    delivered = ?5,
    scanned = ?6,
    generation = ?7,
    reader = ?8,
    expires_ms = ?9,
    ttl_ms = ?10,
    went_back_from = ?11
WHERE tenant = ?1 AND name = ?2 AND version = ?12
