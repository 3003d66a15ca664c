-- Notes how far an expansion is: tenant, request, topic, the position that it has come to, that of
-- its last DELETE. Neither falls.
INSERT INTO expansions (tenant, request, topic, walked_to, last)
VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (tenant, request) DO UPDATE
SET walked_to = max(walked_to, excluded.walked_to), last = max(last, excluded.last)
