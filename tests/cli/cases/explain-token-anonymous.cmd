conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
explain() {
    token=$(cat "tokens/$1.txt") && shift
    fairvisor explain -c "$conf" --bundle bundles/tenants.json GET / -H "Authorization: Bearer $token" "$@"
}
printf 'jwt_keys_file = %s/tokens/keys.json\njwt_on_invalid = anonymous\n' "$PWD" >"$conf"
explain forged
