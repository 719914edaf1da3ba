fairvisor explain -c /dev/null --bundle bundles/several.json GET '/fallback?user=%37'
