fairvisor explain -c /dev/null --bundle bundles/body.json --body /dev/null --body /dev/null POST /v1/chat/completions
