fairvisor validate bundles/origin.json
