fairvisor validate bundles/empty.json
