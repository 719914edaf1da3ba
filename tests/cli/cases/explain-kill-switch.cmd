fairvisor explain -c /dev/null --bundle bundles/several.json POST /v1/x -H 'X-Api-Key: stolen'
