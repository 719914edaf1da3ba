conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
explain() {
    token=$(cat "tokens/$1.txt") && shift
    fairvisor explain -c "$conf" --bundle bundles/tenants.json GET / -H "Authorization: Bearer $token" "$@"
}
printf 'jwt_keys_file = %s/tokens/keys.json\n' "$PWD" >"$conf"
for token in good expired forged none; do
    echo "== $token"
    explain "$token"
done
echo "== twice"
explain good -H "Authorization: Bearer x"
echo "== JSON"
explain good --json
explain expired --json
