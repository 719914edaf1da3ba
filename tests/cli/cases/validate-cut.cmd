fairvisor validate bundles/cut.json
