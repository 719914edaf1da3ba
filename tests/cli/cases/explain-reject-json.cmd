fairvisor explain -c /dev/null --bundle bundles/several.json POST https://API.example.com:443/v1/chat -H 'X-Api-Key: k' -H 'x-cost: 5' --json
