fairvisor explain -c /dev/null --bundle bundles/quick-start.json GET / -H 'no colon'
