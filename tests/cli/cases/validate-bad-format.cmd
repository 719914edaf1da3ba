fairvisor validate --format xml bundles/quick-start.json
