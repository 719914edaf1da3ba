fairvisor explain -c /dev/null --bundle bundles/nowhere.json GET /
