conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
printf 'tor_exit_list = %s/lists/bad-tor.txt\nbot_list = %s/lists/bots.txt\n' "$PWD" "$PWD" >"$conf"
fairvisor explain -c "$conf" --bundle bundles/origin.json GET / 2>&1 | sed "s|$PWD|FOLDER|"
