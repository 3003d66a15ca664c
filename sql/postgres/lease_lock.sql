-- Locks the table of lanes, so that two new replicas don't both find that there are no lanes yet.
-- Only PostgreSQL: several replicas may make the lanes of a new store at once.
LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE
