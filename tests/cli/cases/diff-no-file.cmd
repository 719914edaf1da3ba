fairvisor diff bundles/missing.json bundles/diff-after.json
