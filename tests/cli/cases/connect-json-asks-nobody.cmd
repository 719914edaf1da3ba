fairvisor connect --push bundles/quick-start.json --json
