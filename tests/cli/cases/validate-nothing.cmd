fairvisor validate bundles/nothing.json
