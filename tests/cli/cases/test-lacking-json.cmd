fairvisor test bundles/lacking.json --requests logs/requests.json --compare bundles/replay.json
