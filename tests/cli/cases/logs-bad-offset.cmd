fairvisor logs --since 2026-01-01T01:00:02+25:00 decisions.txt
