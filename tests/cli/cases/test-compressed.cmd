printf "\037\213\010rest" | fairvisor test -c /dev/null bundles/replay.json
