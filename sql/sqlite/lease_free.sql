-- Every lane is free, with a term above all that were given: what goes and comes again is not mistaken.
UPDATE leases
SET holder = NULL, term = (SELECT max(term) + 1 FROM leases)
