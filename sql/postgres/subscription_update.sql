-- Changes subscriptions, except those that have changed since they were found: arrays of tenants,
-- groups, forms, positions, delivered, scanned, accepted gaps, generations, readers, ends of their
-- leases, milliseconds, where they went back from, versions, parts, halts. Returns those that were
-- changed.
UPDATE subscriptions
SET version = subscriptions.version + 1,
    form = new.form,
    position = new.position,
    delivered = new.delivered,
    scanned = new.scanned,
    gaps_to = new.gaps_to,
    generation = new.generation,
    reader = new.reader,
    expires_ms = new.expires_ms,
    ttl_ms = new.ttl_ms,
    went_back_from = new.went_back_from,
    parts = new.parts,
    halt = new.halt
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::bigint[],
    $9::text[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[], $15::text[]
) AS new (
    tenant, name, form, position, delivered, scanned, gaps_to, generation, reader, expires_ms, ttl_ms, went_back_from,
    version, parts, halt
)
WHERE subscriptions.tenant = new.tenant
    AND subscriptions.name = new.name
    AND subscriptions.version = new.version
RETURNING subscriptions.tenant, subscriptions.name
