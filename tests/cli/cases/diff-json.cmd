fairvisor diff --json bundles/diff-before.json bundles/diff-after.json
