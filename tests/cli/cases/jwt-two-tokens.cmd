fairvisor jwt --keys tokens/keys.json a b
