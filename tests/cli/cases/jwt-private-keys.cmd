fairvisor jwt --keys tokens/private.json <tokens/good.txt
