fairvisor logs --since 2026-01-01T01:00:02+01:00 --policy llm - < decisions.txt
