-- Every lane is free, with an epoch above all that were given: what goes and comes again is not mistaken.
UPDATE leases
SET holder = NULL, epoch = (SELECT max(epoch) + 1 FROM leases)
