fairvisor explain -c /dev/null --bundle bundles/warned.json GET / -H 'X-Api-Key: k' -H 'X-Cost: 6'
