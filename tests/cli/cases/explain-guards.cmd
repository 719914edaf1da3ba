fairvisor explain -c /dev/null --bundle bundles/guards.json POST /v1/chat -H "X-Agent: seven"
