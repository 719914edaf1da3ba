fairvisor test -c /dev/null bundles/replay.json --requests logs/service.log
