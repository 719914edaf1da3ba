fairvisor explain -c /dev/null --bundle bundles/quick-start.json 'GE T' /
