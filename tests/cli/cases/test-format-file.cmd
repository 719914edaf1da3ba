fairvisor test -c /dev/null bundles/replay.json --requests logs/custom.log --log-format @logs/custom.format
