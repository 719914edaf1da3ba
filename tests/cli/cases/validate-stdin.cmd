cat bundles/quick-start.json | fairvisor validate -
