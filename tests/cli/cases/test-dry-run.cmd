fairvisor test -c /dev/null bundles/replay.json --requests logs/requests.json --dry-run
