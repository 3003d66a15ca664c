-- Sets what the promises rest on, for as long as the session lasts: arrays of names and of values. Only
-- PostgreSQL: the settings of a server are an operator's.
SELECT set_config(name, value, false)
FROM unnest($1::text[], $2::text[]) AS wanted (name, value)
