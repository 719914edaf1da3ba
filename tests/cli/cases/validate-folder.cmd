fairvisor validate bundles
