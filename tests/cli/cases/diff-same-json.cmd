fairvisor diff --json bundles/diff-after.json bundles/diff-after.json
