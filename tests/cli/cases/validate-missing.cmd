fairvisor validate bundles/nowhere.json
