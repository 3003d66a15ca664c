-- Locks the table of tenants, so that two tenants that are enabled at once don't both get the lane
-- that has the fewest, nor both find themselves beside the same others. Only PostgreSQL: several replicas may enable tenants at once.
LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE
