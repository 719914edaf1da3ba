fairvisor explain -c /dev/null --bundle bundles/quick-start.json GET api/data
