conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
printf 'tor_exit_list = %s/lists/tor.txt\nbot_list = %s/lists/bots.txt\n' "$PWD" "$PWD" >"$conf"
fairvisor explain -c "$conf" --bundle bundles/origin.json GET / --client 198.51.100.1 -H "X-Tor-Exit: 1" -H "User-Agent: Mozilla/5.0"
