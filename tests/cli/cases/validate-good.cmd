fairvisor validate bundles/quick-start.json
