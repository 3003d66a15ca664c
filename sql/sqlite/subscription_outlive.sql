-- Has a group that is made anew begin above a version that is removed, and so above its generation: tenant, version.
UPDATE tenants
SET next_generation = max(next_generation, ?2 + 1)
WHERE tenant = ?1
