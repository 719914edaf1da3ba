fairvisor jwt --keys tokens/keys.json <tokens/none.txt
