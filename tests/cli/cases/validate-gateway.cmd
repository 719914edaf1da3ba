conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
for words in "mode = decision_service" "mode = reverse_proxy
backend_url = http://127.0.0.1:1"; do
    printf '%s\n' "$words" >"$conf"
    fairvisor validate -c "$conf" bundles/gateway.json
done
echo "without settings:"
fairvisor validate --json bundles/gateway.json | grep -o '"code":"[a-z_]*"'
