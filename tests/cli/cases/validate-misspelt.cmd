fairvisor validate bundles/misspelt.json
