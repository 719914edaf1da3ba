fairvisor diff bundles/diff-after.json bundles/diff-before.json
