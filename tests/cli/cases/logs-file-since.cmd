fairvisor logs --since 2026-01-01T00:00:02Z --policy llm - < decisions.txt
