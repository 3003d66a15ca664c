-- Two new replicas must not both find that there are no lanes yet.
LOCK TABLE leases IN SHARE ROW EXCLUSIVE MODE
