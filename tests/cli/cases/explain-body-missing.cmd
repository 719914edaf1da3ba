fairvisor explain -c /dev/null --bundle bundles/body.json --body /nonexistent/body POST /v1/chat/completions
