fairvisor validate --json bundles/misspelt.json
