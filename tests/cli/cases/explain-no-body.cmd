fairvisor explain -c /dev/null --bundle bundles/body.json -H 'X-Team: blue' POST /v1/chat/completions
