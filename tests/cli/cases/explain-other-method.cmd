fairvisor explain -c /dev/null --bundle bundles/quick-start.json DELETE /api/data
