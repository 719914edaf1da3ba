fairvisor jwt --keys tokens/keys.json
