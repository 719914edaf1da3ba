fairvisor explain -c /dev/null --bundle bundles/guards.json POST /v1/chat -H "X-Agent: seven" -H "X-Stainless-Retry-Count: 1" --json
