fairvisor explain -c /dev/null --bundle bundles/misspelt.json GET /
