fairvisor validate bundles/several.json
