-- Begins a transaction that writes: waits for other processes' now, not at the first write.
BEGIN IMMEDIATE
