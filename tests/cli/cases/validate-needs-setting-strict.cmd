fairvisor validate --strict --format json bundles/origin.json
