conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
printf 'tor_exit_list = %s/lists/tor.txt\nbot_list = %s/lists/bots.txt\n' "$PWD" "$PWD" >"$conf"
fairvisor validate --strict -c "$conf" bundles/origin.json
