fairvisor explain -c /dev/null --bundle bundles/quick-start.json GET /api/data --client 10.0.0.1
