-- Lists the expansions of a tenant's log: tenant.
SELECT topic, request, walked_to, last FROM expansions WHERE tenant = $1 ORDER BY request
