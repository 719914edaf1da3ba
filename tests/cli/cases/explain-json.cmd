fairvisor explain -c /dev/null --bundle bundles/quick-start.json GET '/x/../api//d%61ta?a=b' --client ::ffff:10.0.0.1 --json
