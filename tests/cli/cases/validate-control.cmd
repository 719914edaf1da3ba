fairvisor validate bundles/control.json
