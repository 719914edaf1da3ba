fairvisor diff --json bundles/quick-start.json bundles/nothing.json
