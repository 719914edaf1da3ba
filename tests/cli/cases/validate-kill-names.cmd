fairvisor validate bundles/kill-names.json
