fairvisor test -c /dev/null bundles/replay.json --requests logs/requests.json --compare bundles/replay-new.json --identities 1
