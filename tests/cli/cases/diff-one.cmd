fairvisor diff bundles/diff-after.json
