fairvisor validate --format=json bundles/misspelt.json
