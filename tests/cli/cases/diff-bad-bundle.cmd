fairvisor diff bundles/diff-after.json bundles/misspelt.json
