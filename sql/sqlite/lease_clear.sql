-- Who begins to serve a folder is alone there: a lease of before is nobody's.
UPDATE leases
SET holder = NULL
