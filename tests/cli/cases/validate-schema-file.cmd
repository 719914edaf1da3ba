fairvisor validate --schema bundles/guards.json
