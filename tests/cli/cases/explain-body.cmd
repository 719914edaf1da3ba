printf '%s' '{"messages":[{"role":"user","content":"one two three"}],"max_tokens":100}' |
    fairvisor explain -c /dev/null --bundle bundles/body.json --body - -H 'X-Team: red' POST /v1/chat/completions
