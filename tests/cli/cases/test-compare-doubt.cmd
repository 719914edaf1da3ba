fairvisor test -c /dev/null bundles/replay.json --requests logs/requests.json --compare bundles/quick-start.json --identities 1
