fairvisor diff bundles/diff-after.json - < bundles/diff-after.json
