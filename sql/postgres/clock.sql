-- The store's clock.
SELECT now_ms() AS time_ms
