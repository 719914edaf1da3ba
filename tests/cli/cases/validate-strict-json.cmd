fairvisor validate --strict --format json bundles/quick-start.json
