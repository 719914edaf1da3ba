fairvisor diff bundles/diff-before.json bundles/diff-after.json
