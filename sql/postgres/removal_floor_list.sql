-- Lists the floors of a tenant's log: tenant.
SELECT topic, floor, compacted_to FROM floors WHERE tenant = $1
