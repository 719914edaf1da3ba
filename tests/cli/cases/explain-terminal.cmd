fairvisor explain -c /dev/null --bundle bundles/several.json GET "$(printf '/fallback?user=a%%1b\033[31m\302\233')" -H "$(printf 'x-plan: \033]0;x')"
