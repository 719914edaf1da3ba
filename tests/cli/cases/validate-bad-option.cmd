fairvisor validate --stritc bundles/quick-start.json
