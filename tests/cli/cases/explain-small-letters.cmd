fairvisor explain -c /dev/null --bundle bundles/quick-start.json get /api/data --client 10.0.0.1
