fairvisor test bundles/lacking.json --requests logs/combined.log --log-format combined
