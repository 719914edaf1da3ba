fairvisor test -c /nonexistent bundles/replay.json
