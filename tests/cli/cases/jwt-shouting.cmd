fairvisor jwt --keys tokens/keys.json <tokens/shouting.txt
