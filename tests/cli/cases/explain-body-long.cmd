conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
echo 'max_body_bytes = 10' >"$conf"
echo '{"messages":[]}' | fairvisor explain -c "$conf" --bundle bundles/body.json --body - POST /v1/chat/completions
