fairvisor explain -c /dev/null --bundle bundles/several.json POST /v1/x -H 'Host: api.example.com' -H 'X-Plan: gold'
