-- Introductions take turns: two must not find the same lane the emptiest. Only PostgreSQL: several replicas
-- may enable tenants at once.
LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE
