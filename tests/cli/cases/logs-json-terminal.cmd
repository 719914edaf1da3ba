printf '%b' '{"time":"2026-01-31T08:00:00.123Z",\t"action":"reject","note":"a\0302\02332J\0342\0200\0256b"}\n' | fairvisor logs --json -
