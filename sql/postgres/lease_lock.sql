-- Two new replicas must not both find that there are no lanes yet. Only PostgreSQL: several replicas may
-- make the lanes of a new store at once.
LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE
