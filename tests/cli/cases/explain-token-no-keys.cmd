conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
explain() {
    token=$(cat "tokens/$1.txt") && shift
    fairvisor explain -c "$conf" --bundle bundles/tenants.json GET / -H "Authorization: Bearer $token" "$@"
}
echo 'jwt_keys_file = /nowhere/keys.json' >"$conf"
for token in good expired; do
    echo "== $token"
    explain "$token"
done
explain good --json
