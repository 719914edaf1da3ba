fairvisor diff --jsn bundles/missing.json bundles/diff-after.json
