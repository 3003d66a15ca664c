-- Counts the lanes; 0 before they were made.
SELECT count(*) AS lanes FROM leases
