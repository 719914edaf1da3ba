printf '%s' 'model=m&max_tokens=100' |
    fairvisor explain -c /dev/null --bundle bundles/body.json --body - -H 'X-Team: red' POST /v1/chat/completions
printf '%s' 'model=m&max_tokens=100' |
    fairvisor explain -c /dev/null --bundle bundles/body.json --body - -H 'X-Team: red' --json POST /v1/chat/completions
