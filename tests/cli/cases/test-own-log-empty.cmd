head -n 2 logs/service.log | fairvisor test -c /dev/null bundles/replay.json
