file=$(mktemp) && trap 'rm -f "$file"' EXIT
printf '%s' '{"messages":[{"role":"user","content":"one two three"}],"max_tokens":2000}' >"$file"
fairvisor explain -c /dev/null --bundle bundles/body.json --json --body "$file" -H 'X-Team: red' POST /v1/chat/completions
