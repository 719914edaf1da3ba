conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
printf 'tor_exit_list = %s/lists/tor.txt\nbot_list = %s/lists/bots.txt\n' "$PWD" "$PWD" >"$conf"
fairvisor explain -c "$conf" --bundle bundles/origin.json GET / --client 192.0.2.9 -H "User-Agent: Mozilla/5.0 (compatible; gptbot/1.2)"
