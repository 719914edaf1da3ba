fairvisor jwt --keys tokens/keys.json <tokens/good.txt
