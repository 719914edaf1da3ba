fairvisor test -c /dev/null bundles/replay.json --requests logs/a.log --requests logs/b.log
