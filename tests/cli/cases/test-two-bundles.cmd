fairvisor test -c /dev/null bundles/replay.json bundles/replay.json
