fairvisor diff bundles/quick-start.json bundles/nothing.json
