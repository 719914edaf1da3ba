fairvisor jwt --keys tokens/missing.json <tokens/good.txt
