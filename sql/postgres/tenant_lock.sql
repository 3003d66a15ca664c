-- Introductions take turns: two must not find the same lane the emptiest.
LOCK TABLE tenants IN SHARE ROW EXCLUSIVE MODE
