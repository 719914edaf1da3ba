fairvisor validate --strict bundles/quick-start.json
