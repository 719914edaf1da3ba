fairvisor validate bundles/quick-start.json >/dev/full
