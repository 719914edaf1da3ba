fairvisor diff bundles/ended-before.json bundles/ended-after.json
fairvisor diff bundles/ended-after.json bundles/ended-before.json
