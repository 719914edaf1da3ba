fairvisor test -c /dev/null bundles/replay.json --json <logs/requests.json
