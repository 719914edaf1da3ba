conf=$(mktemp) && trap 'rm -f "$conf"' EXIT
printf 'bot_list = %s/lists/bots.txt
' "$PWD" >"$conf"
fairvisor explain -c "$conf" --bundle bundles/origin.json GET / --client 192.0.2.9 -H "User-Agent: x"
